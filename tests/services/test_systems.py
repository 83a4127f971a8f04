"""Systems: their secrets, their lane, what refuses to let them go."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.channels import CHANNELS
from app.channels.fake import FakeChannel
from app.domain.kinds import DeliveryState, LaneState
from app.errors import Conflict, InUse, Invalid, NotFound, Stale
from app.models import Delivery, Lane, Registration, System
from app.secrets import Secret, Vault, new_encryption_key
from app.services import configuring
from app.services.installation import Installation
from app.services.preferences import PreferencesBody
from app.services.preferences import replace as replace_settings
from app.services.systems import SYSTEMS
from app.shapes import parse
from tests.services.makers import (
    ACTOR,
    NO_LOGIN,
    OPTIONS,
    audited,
    count_of,
    lane_of,
    put_integration,
    put_system,
    register,
    row_of,
    set_up,
    system_body,
    unregister,
    waiting_mail,
    with_bells,
)

CANARY = "xyzzy-canary-4711"
LOGIN: dict[str, Any] = {"options": OPTIONS, "secrets": {"password": CANARY}}


def stored(site: Installation, name: str = "Mail") -> Any:
    with site.store.viewing() as session:
        return SYSTEMS.find(session, name)


def pointers(error: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [fault.pointer for fault in error.value.faults]


@pytest.fixture
def fake_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of system that is not mail."""
    monkeypatch.setitem(CHANNELS, "fake", FakeChannel())


def test_a_mail_system_gets_its_one_lane_when_it_is_made(site: Installation) -> None:
    put_system(site)
    put_system(site, version="2")
    lane = lane_of(site)
    assert (lane.row, lane.state, lane.round) == (None, LaneState.NORMAL, 0)


def test_defaults_are_filled_in(site: Installation) -> None:
    document = put_system(site).document
    assert document["version"] == "N/A"
    assert document["status"] == "running"
    assert document["options"]["port"] == 587
    assert document["health"]["state"] == "unknown"
    assert document["usedBy"] == []


def test_a_password_is_sealed_at_rest_and_opens_again(site: Installation) -> None:
    put_system(site, **LOGIN)
    sealed = stored(site).secrets["password"]["sealed"]
    assert CANARY not in sealed
    assert site.vault.open(sealed) == Secret(CANARY)


def test_the_password_shows_nowhere(
    site: Installation, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    said = [str(put_system(site, **LOGIN).document)]
    put_system(site, options={**OPTIONS, "port": 25}, secrets={"password": CANARY + "2"})
    said += [str(configuring.get(SYSTEMS, site, "Mail").document), str(audited(site))]
    with pytest.raises(Invalid) as error:
        put_system(site, options={**OPTIONS, "encryption": "none"}, secrets={"password": CANARY})
    said += [str(error.value), repr(error.value.__cause__), caplog.text, repr(system_body(**LOGIN))]
    configuring.delete(SYSTEMS, site, ACTOR, "Mail")
    said += [str(audited(site))]
    assert not [one for one in said if CANARY in one]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [raw for raw in files if CANARY.encode() in raw]


def test_the_audit_log_tells_that_a_secret_is_set_and_masks_it(site: Installation) -> None:
    put_system(site, **LOGIN)
    (row,) = audited(site)
    assert (row.actor, row.action, row.subject_kind, row.subject_name) == (
        ACTOR, "create", "system", "Mail",
    )  # fmt: skip
    assert row.before is None
    assert row.after["secrets"] == {"password": "***"}


def test_a_secret_that_is_left_out_stays(site: Installation) -> None:
    put_system(site, **LOGIN)
    before = stored(site).secrets
    put_system(site, options={**OPTIONS, "port": 25})
    assert stored(site).secrets == before


def test_an_answer_can_be_put_back(site: Installation) -> None:
    document = put_system(site, **LOGIN).document
    before = stored(site).secrets
    saved = configuring.replace(SYSTEMS, site, ACTOR, "Mail", system_body(**document))
    assert saved.document == document
    assert stored(site).secrets == before


def test_null_clears_a_secret_and_the_channel_refuses_where_it_is_needed(
    site: Installation,
) -> None:
    put_system(site, **LOGIN)
    with pytest.raises(Invalid) as error:
        put_system(site, options=OPTIONS, secrets={"password": None})
    assert pointers(error) == ["/secrets/password"]
    assert stored(site).secrets


def test_without_authentication_no_password_is_kept_or_taken(site: Installation) -> None:
    put_system(site, **LOGIN)
    put_system(site, options=NO_LOGIN)
    assert stored(site).secrets == {}
    put_system(site, options=NO_LOGIN, secrets={"password": CANARY})
    assert stored(site).secrets == {}


def test_saving_the_same_again_leaves_no_trace(site: Installation) -> None:
    first = put_system(site, **LOGIN)
    again = put_system(site, **LOGIN)
    assert again.document == first.document
    assert again.version == first.version
    assert len(audited(site)) == 1


def test_a_password_that_cannot_be_decrypted_is_asked_for_again(site: Installation) -> None:
    put_system(site, **LOGIN)
    rotated = replace(site, vault=Vault([Secret(new_encryption_key())]))
    with pytest.raises(Invalid) as error:
        put_system(rotated, options={**OPTIONS, "port": 25})
    assert pointers(error) == ["/secrets/password"]
    put_system(rotated, **LOGIN)
    assert rotated.vault.open(stored(site).secrets["password"]["sealed"]) == Secret(CANARY)


def test_a_patch_changes_only_what_it_names(site: Installation) -> None:
    put_system(site, **LOGIN)
    changes = {"options": {"port": 2525, "username": None}, "version": "7"}
    document = configuring.patch(SYSTEMS, site, ACTOR, "Mail", changes).document
    assert (document["options"]["port"], document["version"]) == (2525, "7")
    assert document["options"]["server"] == OPTIONS["server"]
    assert document["secrets"]["password"]["set"] is True


def test_a_patch_can_set_and_clear_a_secret(site: Installation) -> None:
    put_system(site, **LOGIN)
    configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"secrets": {"password": "other"}})
    assert site.vault.open(stored(site).secrets["password"]["sealed"]) == Secret("other")
    with pytest.raises(Invalid) as error:
        configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"secrets": {"password": None}})
    assert pointers(error) == ["/secrets/password"]


def test_a_patch_renames_and_what_uses_it_follows(site: Installation) -> None:
    set_up(site)
    configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"name": "Relay"})
    assert configuring.get(SYSTEMS, site, "Relay").document["usedBy"][0]["name"] == "jira"
    with pytest.raises(NotFound):
        configuring.get(SYSTEMS, site, "Mail")


def test_a_name_that_is_taken_is_a_conflict(site: Installation) -> None:
    put_system(site)
    put_system(site, "Other")
    with pytest.raises(Conflict):
        configuring.patch(SYSTEMS, site, ACTOR, "Other", {"name": "Mail"})
    with pytest.raises(Conflict):
        configuring.create(SYSTEMS, site, ACTOR, system_body(name="Mail"))


def test_put_does_not_rename(site: Installation) -> None:
    put_system(site)
    with pytest.raises(Invalid) as error:
        configuring.replace(SYSTEMS, site, ACTOR, "Mail", system_body(name="Relay"))
    assert pointers(error) == ["/name"]


def test_the_kind_is_for_good(site: Installation, fake_kind: None) -> None:
    put_system(site)
    with pytest.raises(Invalid) as error:
        put_system(site, kind="fake", options={})
    assert pointers(error) == ["/kind"]


def test_a_system_of_another_kind_has_no_lane_and_is_no_mail_system(
    site: Installation, fake_kind: None
) -> None:
    put_system(site, "Pager", kind="fake", options={}, secrets={"token": CANARY})
    put_integration(site)
    assert count_of(site, Lane) == 0
    with pytest.raises(Invalid) as error:
        register(site, system="Pager")
    assert pointers(error) == ["/system"]
    assert "'Pager' is a Fake system" in str(error.value)


def test_every_fault_is_named_at_once(site: Installation) -> None:
    with pytest.raises(Invalid) as error:
        system_body(
            name="a\nb", version=7, retryPolicy={"policy": "None"}, secrets={"pin": "1"},
            options={**OPTIONS, "port": 0, "colour": "red"}, status="asleep",
        )  # fmt: skip
    assert sorted(pointers(error)) == [
        "/name", "/options/colour", "/options/port", "/retryPolicy", "/secrets/pin", "/status",
        "/version",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", None, 7])
def test_a_name_has_1_to_100_characters_on_one_line(site: Installation, name: Any) -> None:
    with pytest.raises(Invalid):
        configuring.create(SYSTEMS, site, ACTOR, system_body(name=name))
    assert count_of(site, System) == 0


def test_a_fallback_is_another_system(site: Installation) -> None:
    put_system(site, "Spare")
    assert put_system(site, fallback="Spare").document["fallback"] == "Spare"
    for name in ("Mail", "Nobody"):
        with pytest.raises(Invalid) as error:
            put_system(site, fallback=name)
        assert pointers(error) == ["/fallback"]


def used_by_fallback(site: Installation) -> None:
    put_system(site, "Other", fallback="Mail")


def used_by_settings(site: Installation) -> None:
    replace_settings(site, ACTOR, parse(PreferencesBody, {"smtpSystemForNotification": "Mail"}))


def used_by_registration(site: Installation) -> None:
    put_integration(site)
    register(site)


def used_by_waiting_mail(site: Installation) -> None:
    put_integration(site)
    waiting_mail(site, state=DeliveryState.LEASED)
    waiting_mail(site)


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (used_by_registration, ("registration", "jira", "/api/v1/registrations/jira")),
        (used_by_fallback, ("system", "Other", "/api/v1/systems/Other")),
        (used_by_settings, ("settings", "smtpSystemForNotification", "/api/v1/settings")),
        (used_by_waiting_mail, ("delivery", "2 waiting", "/api/v1/deliveries")),
    ],
)
def test_a_system_in_use_is_not_deleted(
    site: Installation, use: Callable[[Installation], None], expected: tuple[str, str, str]
) -> None:
    put_system(site)
    use(site)
    with pytest.raises(InUse) as error:
        configuring.delete(SYSTEMS, site, ACTOR, "Mail")
    assert [(one.kind, one.name, one.url) for one in error.value.used_by] == [expected]
    assert lane_of(site)


def test_a_deleted_system_takes_its_lane_and_old_start_values_along(site: Installation) -> None:
    set_up(site)
    sent = waiting_mail(site, state=DeliveryState.DELIVERED)
    unregister(site)
    configuring.delete(SYSTEMS, site, ACTOR, "Mail")
    assert [count_of(site, model) for model in (System, Lane, Registration)] == [0, 0, 0]
    assert audited(site)[-1].action == "delete"
    assert row_of(site, Delivery, sent)


def test_many_users_are_summed_up(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    put_system(site)
    for key in ("a", "b", "c"):
        put_integration(site, key)
        register(site, key)
    monkeypatch.setattr("app.services.named.MOST_USES", 2)
    used_by = configuring.get(SYSTEMS, site, "Mail").document["usedBy"]
    assert [use["name"] for use in used_by] == ["a", "b", "1 more"]


def test_a_system_that_runs_again_wakes_its_lane(site: Installation) -> None:
    site, bells = with_bells(site)
    put_system(site, status="paused")
    assert bells.rung == []
    put_system(site, status="running")
    assert bells.rung == [str(lane_of(site).id)]


def test_health_tells_that_a_system_fails_and_when_it_last_delivered(site: Installation) -> None:
    set_up(site)
    waiting_mail(site, state=DeliveryState.DELIVERED, finished_at=stored(site).created_at)
    document = configuring.get(SYSTEMS, site, "Mail").document
    assert document["health"]["state"] == "ok"
    assert document["health"]["lastDeliveryAt"] == document["createdAt"]
    with site.store.writing() as connection:
        connection.execute(
            text("UPDATE lanes SET state = 'retrying', error_reason = 'dns', error_text = 'gone',"
                 " error_at = since")
        )  # fmt: skip
    health = configuring.get(SYSTEMS, site, "Mail").document["health"]
    assert health["state"] == "failing"
    assert (health["lastError"]["reason"], health["lastError"]["text"]) == ("dns", "gone")


def test_of_two_changes_of_one_version_at_once_one_is_stale(site: Installation) -> None:
    version = put_system(site).version

    def unchanged(current: str | None) -> None:
        if current != version:
            raise Stale("changed meanwhile")

    def change(port: int) -> str:
        body = system_body(options={**NO_LOGIN, "port": port})
        try:
            configuring.replace(SYSTEMS, site, ACTOR, "Mail", body, unchanged)
        except Stale:
            return "stale"
        return "saved"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(change, (25, 26))) == ["saved", "stale"]
    assert len(audited(site)) == 2


def test_of_many_that_make_the_same_system_at_once_one_wins(site: Installation) -> None:
    def make(_: int) -> str:
        try:
            configuring.create(SYSTEMS, site, ACTOR, system_body(name="Mail"))
        except Conflict:
            return "conflict"
        return "made"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(make, range(4))) == ["conflict"] * 3 + ["made"]
    assert count_of(site, Lane) == 1


def test_a_change_that_cannot_be_audited_is_not_made(site: Installation) -> None:
    body, nobody = system_body(), "\ud800"  # a name that no database can hold
    with pytest.raises(UnicodeEncodeError):
        configuring.replace(SYSTEMS, site, nobody, "Mail", body)
    assert [count_of(site, model) for model in (System, Lane)] == [0, 0]
