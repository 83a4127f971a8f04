"""Drafts: a system as saving would make it, with nothing saved and no secret shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.channels import CHANNELS
from app.channels.fake import FakeChannel
from app.errors import Invalid, NotFound
from app.models import System
from app.secrets import Secret, Vault, new_encryption_key
from app.services.drafts import Draft, system_draft
from app.services.installation import Installation
from tests.services.makers import (
    NO_LOGIN,
    OPTIONS,
    audited,
    count_of,
    put_system,
    system_body,
)

CANARY = "xyzzy-canary-4711"
LOGIN: dict[str, Any] = {"options": OPTIONS, "secrets": {"password": CANARY}}
ELSEWHERE = {**OPTIONS, "server": "elsewhere.example"}


def draft(site: Installation, name: str = "Mail", **fields: Any) -> Draft:
    """Return the draft of a body, or of the system as it is saved where no field is given."""
    body = system_body(**fields) if fields else None
    with site.store.viewing() as session:
        return system_draft(session, site, name, body)


def test_a_saved_system_is_its_own_draft(site: Installation) -> None:
    put_system(site, **LOGIN)
    found = draft(site)
    assert (found.name, found.kind, found.lent) == ("Mail", "smtp", False)
    assert found.options.model_dump(by_alias=True)["server"] == "mail.example"
    assert found.secrets(site) == {"password": Secret(CANARY)}


def test_without_a_system_there_must_be_a_body(site: Installation) -> None:
    with pytest.raises(NotFound):
        draft(site)
    assert draft(site, **LOGIN).secrets(site) == {"password": Secret(CANARY)}


def test_a_draft_saves_nothing(site: Installation) -> None:
    put_system(site)
    draft(site, **LOGIN)
    draft(site, "New", **LOGIN)
    assert count_of(site, System) == 1
    assert draft(site).sealed == {}
    assert len(audited(site)) == 1


def test_a_password_that_is_left_out_is_the_saved_one_and_that_is_told(site: Installation) -> None:
    put_system(site, **LOGIN)
    shown = {"password": {"set": True, "setAt": "2026-11-03T10:31:00.000Z"}}
    for secrets in ({}, shown):
        same = draft(site, options=OPTIONS, secrets=secrets)
        other = draft(site, options=ELSEWHERE, secrets=secrets)
        assert same.secrets(site) == other.secrets(site) == {"password": Secret(CANARY)}
        assert (same.lent, other.lent) == (False, True)


def test_a_password_that_is_given_goes_where_the_draft_says(site: Installation) -> None:
    put_system(site, **LOGIN)
    for given in ("another", CANARY):  # it must not tell whether the guess was right
        found = draft(site, options=ELSEWHERE, secrets={"password": given})
        assert found.secrets(site) == {"password": Secret(given)}
        assert not found.lent


def test_a_draft_without_login_lends_nothing(site: Installation) -> None:
    put_system(site, **LOGIN)
    found = draft(site, options=NO_LOGIN)
    assert (found.sealed, found.lent) == ({}, False)


def test_the_secret_of_another_kind_is_not_taken(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHANNELS, "fake", FakeChannel())
    put_system(site, kind="fake", options={}, secrets={"token": CANARY})
    with pytest.raises(Invalid) as error:
        draft(site, options=OPTIONS)
    assert [fault.pointer for fault in error.value.faults] == ["/secrets/password"]
    assert draft(site, kind="fake", options={}).secrets(site) == {"token": Secret(CANARY)}


@pytest.mark.parametrize("name", ["x" * 101, "two\nlines", " ", "nul\x00"])
def test_a_new_name_is_checked_as_for_saving(site: Installation, name: str) -> None:
    with pytest.raises(Invalid) as error:
        draft(site, name, options=NO_LOGIN)
    assert [fault.pointer for fault in error.value.faults] == ["/name"]


def test_what_could_not_be_saved_is_no_draft(site: Installation) -> None:
    with pytest.raises(Invalid) as error:
        draft(site, options={**OPTIONS, "encryption": "none"})
    pointers = [fault.pointer for fault in error.value.faults]
    assert pointers == ["/secrets/password", "/options/encryption"]


def test_a_password_that_cannot_be_decrypted_is_never_an_empty_one(site: Installation) -> None:
    put_system(site, **LOGIN)
    other = replace(site, vault=Vault([Secret(new_encryption_key())]))
    wanted: list[dict[str, Any]] = [{}, {"options": OPTIONS}]
    for fields in wanted:
        with pytest.raises(Invalid) as error:
            draft(other, **fields)
        assert [fault.pointer for fault in error.value.faults] == ["/secrets/password"]


def test_no_secret_shows_in_a_draft(site: Installation) -> None:
    assert CANARY not in repr(draft(site, **LOGIN))
