"""The settings of the installation: typed, with defaults; one row per setting that was changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from pydantic import Field
from pydantic.alias_generators import to_camel
from sqlalchemy import Connection, delete, select
from sqlalchemy.orm import Session

from app.domain import schedule
from app.errors import Fault, Invalid
from app.models import Preference, Schedule, System
from app.services import audit, systems
from app.services.configuring import Condition, run
from app.services.installation import Installation
from app.services.named import Change, Document, Saved, digest, merged
from app.services.sql import insert
from app.shapes import Shape, parse, text, whole

PATH = "/settings"
LONGEST_MINUTES = 44_640
# The setting that names the schedule of the pass.
SCHEDULE = "postNotificationSchedule"


@dataclass(frozen=True)
class Preferences:
    """Every setting that can be changed while the server runs; the interval in minutes.

    `smtp_system_id` names the system for mails of Tocsin itself; its id is kept, so that it may be
    renamed.
    """

    post_notification_schedule: str = schedule.DEFAULT
    smtp_system_id: int | None = None
    paused: bool = False
    repeat_interval_minutes: int = 180
    create_integrations_on_first_report: bool = True


_DEFAULTS = Preferences()
# Column names of `settings`; rows of other names (internal ones begin with "_") are not ours.
_NAMES = {to_camel(item.name): item.name for item in fields(Preferences)}
# Built once, as every report asks for it.
_STORED = select(Preference.name, Preference.value)


class PreferencesBody(Shape):
    """The document of /settings."""

    post_notification_schedule: Annotated[str, text(100, required=True)] = Field(
        _DEFAULTS.post_notification_schedule,
        title="Post-Notification Scheduler",
        description="The schedule of the Post Failure Notification job.",
    )
    smtp_system_for_notification: Annotated[str, text(100, required=True)] | None = Field(
        None,
        title="SMTP System For Notification",
        description="The system for mails of Tocsin itself.",
    )
    paused: bool = Field(
        _DEFAULTS.paused, title="Pause", description="Nothing is sent but tests; reports are taken."
    )
    repeat_interval_minutes: Annotated[int, whole(1, LONGEST_MINUTES)] = Field(
        _DEFAULTS.repeat_interval_minutes,
        title="Repeat Interval",
        description="Minutes before a failure that goes on is told at once again.",
    )
    create_integrations_on_first_report: bool = Field(
        _DEFAULTS.create_integrations_on_first_report,
        title="Create Integrations on First Report",
        description="No: a report for an unknown integration is refused.",
    )


def load(connection: Connection) -> Preferences:
    """Return the settings in one SELECT; unknown rows are ignored."""
    stored: dict[str, Any] = {name: value for name, value in connection.execute(_STORED)}
    return Preferences(**{_NAMES[name]: stored[name] for name in stored if name in _NAMES})


def get(site: Installation) -> Saved:
    """Return the document of /settings."""
    with site.store.viewing() as session:
        return _saved(session)


def replace(
    site: Installation, actor: str, body: PreferencesBody, condition: Condition | None = None
) -> Saved:
    """Replace all settings, those left out by their defaults; raises Invalid, Stale. Idempotent."""
    return run(site, actor, lambda change: _save(change, body, condition))


def patch(
    site: Installation, actor: str, changes: Mapping[str, Any], condition: Condition | None = None
) -> Saved:
    """Merge `changes` into the settings (RFC 7396); raises Invalid, Stale."""

    def work(change: Change) -> Saved:
        body = merged(_document(change.session), changes)
        return _save(change, parse(PreferencesBody, body), condition)

    return run(site, actor, work)


def _save(change: Change, body: PreferencesBody, condition: Condition | None) -> Saved:
    session = change.session
    before = _saved(session)
    if condition is not None:
        condition(before.version)
    _store(change, _checked(session, body))
    after = _saved(session)
    if after.version != before.version:
        audit.record(
            session.connection(), change.actor, "update", "settings", "settings",
            before.document, after.document,
        )  # fmt: skip
        change.afterwards.append(lambda: _take_effect(change.site))
    return after


def _checked(session: Session, body: PreferencesBody) -> Preferences:
    faults = []
    name = body.post_notification_schedule
    if session.scalar(select(Schedule.id).where(Schedule.name == name)) is None:
        faults.append(Fault("/postNotificationSchedule", f"names no schedule: {name!r}"))
    system, problem = systems.for_mail(session, body.smtp_system_for_notification)
    if problem:
        faults.append(Fault("/smtpSystemForNotification", problem))
    if faults:
        raise Invalid(faults)
    return Preferences(
        post_notification_schedule=name,
        smtp_system_id=system.id if system else None,
        paused=body.paused,
        repeat_interval_minutes=body.repeat_interval_minutes,
        create_integrations_on_first_report=body.create_integrations_on_first_report,
    )


def _store(change: Change, wanted: Preferences) -> None:
    """Write what differs; what is as the default needs no row."""
    connection, table = change.session.connection(), Preference.__table__
    there = load(connection)
    for name, attribute in _NAMES.items():
        value = getattr(wanted, attribute)
        if value == getattr(there, attribute):
            continue
        if value == getattr(_DEFAULTS, attribute):
            connection.execute(delete(table).where(table.c.name == name))
            continue
        row = {"value": value, "updated_at": change.now}
        statement = insert(connection, table).values(name=name, **row)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))


def _document(session: Session) -> Document:
    wishes = load(session.connection())
    system = session.get(System, wishes.smtp_system_id) if wishes.smtp_system_id else None
    return {
        "postNotificationSchedule": wishes.post_notification_schedule,
        "smtpSystemForNotification": system.name if system else None,
        "paused": wishes.paused,
        "repeatIntervalMinutes": wishes.repeat_interval_minutes,
        "createIntegrationsOnFirstReport": wishes.create_integrations_on_first_report,
    }


def _saved(session: Session) -> Saved:
    document = _document(session)
    return Saved(document, digest(document))


def _take_effect(site: Installation) -> None:
    """Tell the job: the schedule and the pause hold at once (product.md 7)."""
    # They read the settings themselves.
    from app.services import dispatch, lane_work  # noqa: PLC0415

    dispatch.schedule_changed(site)
    site.alarm.wake(map(str, lane_work.with_work(site)))
