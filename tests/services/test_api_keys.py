"""API keys: made, listed and revoked, by service and by command line; only hashes are kept."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from app.errors import Conflict, Invalid, NotFound
from app.models import ApiKey, Audit
from app.secrets import hash_key
from app.services import api_keys
from app.services.api_keys import Keyring, Scope
from app.services.installation import Installation
from tests.conftest import ADMIN_KEY


def _make(site: Installation, name: str = "Prometheus", *scopes: str) -> str:
    return api_keys.create(site, name, scopes or ("report",), actor="test").reveal()


def test_only_the_hash_of_a_key_is_kept(site: Installation) -> None:
    key = _make(site)
    with site.store.reading() as connection:
        found = connection.execute(select(ApiKey).where(ApiKey.name == "Prometheus")).one()
    assert found.hash == hash_key(key)
    assert key not in str(tuple(found))


def test_a_key_is_found_with_what_its_scopes_include(site: Installation) -> None:
    caller = Keyring(site.store).caller(_make(site, "Desk", "operate"))
    assert caller is not None
    assert caller.scopes == {Scope.OPERATE, Scope.READ}
    assert caller.actor == "API key Desk"
    assert not caller.may(Scope.REPORT)


def test_an_admin_key_may_do_everything(site: Installation) -> None:
    caller = Keyring(site.store).caller(ADMIN_KEY)
    assert caller is not None
    assert caller.scopes == set(Scope)


def test_an_unknown_key_is_nobody_and_is_not_remembered(site: Installation) -> None:
    keyring = Keyring(site.store)
    assert keyring.caller("nobody") is None
    assert not keyring._known


def test_making_and_revoking_is_audited_without_the_key(site: Installation) -> None:
    key = _make(site)
    api_keys.revoke(site, "Prometheus", actor="test")
    with site.store.reading() as connection:
        found = connection.execute(select(Audit).order_by(Audit.id)).all()
    assert [(row.action, row.subject_name, row.actor) for row in found] == [
        ("create", "Prometheus", "test"),
        ("revoke", "Prometheus", "test"),
    ]
    assert found[0].after == {"scopes": ["report"], "integration": None}
    assert key not in str(found)


def test_a_name_is_taken_once_until_its_key_is_revoked(site: Installation) -> None:
    _make(site)
    with pytest.raises(Conflict):
        _make(site)
    api_keys.revoke(site, "Prometheus", actor="test")
    _make(site)
    assert [row.name for row in api_keys.listing(site)][:2] == ["Prometheus", "Prometheus"]


def test_what_is_not_there_or_revoked_cannot_be_revoked(site: Installation) -> None:
    with pytest.raises(NotFound):
        api_keys.revoke(site, "Prometheus", actor="test")


@pytest.mark.parametrize(
    ("name", "scopes", "integration", "pointers"),
    [
        ("", ["read"], None, ["/name"]),
        ("x" * 101, ["read"], None, ["/name"]),
        ("a\nb", ["read"], None, ["/name"]),
        ("a\ud800", ["read"], None, ["/name"]),
        ("k", [], None, ["/scopes"]),
        ("k", ["root"], None, ["/scopes"]),
        ("k", ["read"], "erp", ["/integration"]),
        ("k", ["report", "read"], "erp", ["/integration"]),
        ("k", ["report"], "", ["/integration"]),
        ("", ["root"], "x" * 256, ["/name", "/scopes", "/integration", "/integration"]),
    ],
)
def test_every_fault_of_a_key_is_named(
    site: Installation,
    name: str,
    scopes: list[str],
    integration: str | None,
    pointers: list[str],
) -> None:
    with pytest.raises(Invalid) as caught:
        api_keys.create(site, name, scopes, integration, actor="test")
    assert [fault.pointer for fault in caught.value.faults] == pointers


def test_the_command_line_makes_lists_and_revokes(app: Flask, site: Installation) -> None:
    runner = app.test_cli_runner()
    made = runner.invoke(
        args="tocsin api-key create Backup --scope report --integration erp".split()
    )
    assert made.exit_code == 0
    caller = Keyring(site.store).caller(made.output.strip())
    assert caller is not None
    assert (caller.name, caller.integration_key) == ("Backup", "erp")
    listed = runner.invoke(args="tocsin api-key list".split()).output
    assert "Backup  report for erp  valid\n" in listed
    assert made.output.strip() not in listed
    assert runner.invoke(args="tocsin api-key revoke Backup".split()).exit_code == 0
    assert Keyring(site.store).caller(made.output.strip()) is None
    assert "revoked" in runner.invoke(args="tocsin api-key list".split()).output


@pytest.mark.parametrize(
    "args",
    ["create x --scope root", "create x", "create x --scope read --integration erp", "revoke x"],
)
def test_what_the_command_line_refuses_is_told_with_an_exit_code(app: Flask, args: str) -> None:
    result = app.test_cli_runner().invoke(args=f"tocsin api-key {args}".split())
    assert result.exit_code in (1, 2)
    assert "\nError: " in f"\n{result.output}"
    assert "Traceback" not in result.output
