"""Settings: their defaults, what they name, and that a change takes effect at once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, select

from app.clock import utc_now
from app.errors import Invalid, Stale
from app.models import Preference
from app.services import configuring, first_admin, preferences
from app.services.installation import Installation
from app.services.preferences import Preferences, PreferencesBody
from app.services.systems import SYSTEMS
from app.shapes import parse
from tests.services.makers import ACTOR, audited, put_system, with_bells

DEFAULTS = {
    "postNotificationSchedule": "30 Minute Schedule",
    "smtpSystemForNotification": None,
    "paused": False,
    "repeatIntervalMinutes": 180,
    "createIntegrationsOnFirstReport": True,
}


def put(site: Installation, **fields: Any) -> dict[str, Any]:
    return preferences.replace(site, ACTOR, parse(PreferencesBody, fields)).document


def patch(site: Installation, **changes: Any) -> dict[str, Any]:
    return preferences.patch(site, ACTOR, changes).document


def load(site: Installation) -> Preferences:
    with site.store.reading() as connection:
        return preferences.load(connection)


def names(site: Installation) -> list[str]:
    """Return the names of the rows that are stored."""
    with site.store.reading() as connection:
        return list(connection.scalars(select(Preference.name).order_by(Preference.name)))


def test_what_was_never_set_has_its_default(site: Installation) -> None:
    assert load(site) == Preferences()
    assert preferences.get(site).document == DEFAULTS
    assert names(site) == [first_admin.NAME]


def test_a_patch_sets_one_and_keeps_the_rest(site: Installation) -> None:
    patch(site, repeatIntervalMinutes=60)
    assert patch(site, paused=True) == {**DEFAULTS, "repeatIntervalMinutes": 60, "paused": True}
    assert load(site) == Preferences(repeat_interval_minutes=60, paused=True)


def test_put_sets_what_is_left_out_to_its_default(site: Installation) -> None:
    patch(site, repeatIntervalMinutes=60, createIntegrationsOnFirstReport=False)
    assert put(site, paused=True) == {**DEFAULTS, "paused": True}


def test_a_patch_with_null_brings_the_default_back(site: Installation) -> None:
    patch(site, repeatIntervalMinutes=60)
    assert patch(site, repeatIntervalMinutes=None) == DEFAULTS


@pytest.mark.parametrize("minutes", [1, 44640])
def test_the_limits_of_the_repeat_interval_are_taken(site: Installation, minutes: int) -> None:
    assert put(site, repeatIntervalMinutes=minutes)["repeatIntervalMinutes"] == minutes


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"repeatIntervalMinutes": 0}, "/repeatIntervalMinutes"),
        ({"repeatIntervalMinutes": 44641}, "/repeatIntervalMinutes"),
        ({"repeatIntervalMinutes": "60"}, "/repeatIntervalMinutes"),
        ({"paused": "yes"}, "/paused"),
        ({"postNotificationSchedule": "7 Minute Schedule"}, "/postNotificationSchedule"),
        ({"postNotificationSchedule": None}, "/postNotificationSchedule"),
        ({"smtpSystemForNotification": "Nobody"}, "/smtpSystemForNotification"),
        ({"_internal": 1}, "/_internal"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(
    site: Installation, fields: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Invalid) as error:
        put(site, **fields)
    assert [fault.pointer for fault in error.value.faults] == [pointer]
    assert preferences.get(site).document == DEFAULTS


def test_internal_rows_are_neither_read_nor_shown_nor_touched(site: Installation) -> None:
    with site.store.writing() as connection:
        row = {"name": "_watermark", "value": 7, "updated_at": utc_now()}
        connection.execute(Preference.__table__.insert().values(row))
    assert load(site) == Preferences()
    assert put(site) == DEFAULTS
    assert names(site) == [first_admin.NAME, "_watermark"]


def test_the_settings_are_read_in_one_statement(site: Installation) -> None:
    put_system(site)
    patch(site, smtpSystemForNotification="Mail")
    said: list[str] = []
    event.listen(site.store.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    load(site)
    assert len([one for one in said if one.startswith("SELECT")]) == 1


def test_the_system_for_own_mail_may_be_renamed(site: Installation) -> None:
    put_system(site)
    patch(site, smtpSystemForNotification="Mail")
    configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"name": "Relay"})
    assert preferences.get(site).document["smtpSystemForNotification"] == "Relay"


def test_a_change_is_audited_with_before_and_after(site: Installation) -> None:
    patch(site, paused=True)
    patch(site, paused=True)
    (row,) = audited(site)
    assert (row.actor, row.action, row.subject_kind) == (ACTOR, "update", "settings")
    assert (row.before["paused"], row.after["paused"]) == (False, True)


@pytest.mark.parametrize(
    "changes", [{"paused": True}, {"postNotificationSchedule": "1 Minute Schedule"}]
)
def test_a_change_of_schedule_or_pause_wakes_the_workers(
    site: Installation, changes: dict[str, Any]
) -> None:
    site, bells = with_bells(site)
    patch(site, **changes)
    assert bells.rung


def test_saving_what_is_there_wakes_nobody(site: Installation) -> None:
    site, bells = with_bells(site)
    put(site)
    assert bells.rung == []


def test_a_stale_version_is_refused(site: Installation) -> None:
    version = preferences.get(site).version
    patch(site, paused=True)

    def unchanged(current: str | None) -> None:
        if current != version:
            raise Stale("changed")

    with pytest.raises(Stale):
        preferences.replace(site, ACTOR, parse(PreferencesBody, {}), unchanged)
    assert load(site).paused
