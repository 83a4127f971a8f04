"""Schedules: when the Post Failure Notification job may run (product.md 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clock import utc_now
from app.domain.schedule import upcoming
from app.errors import Conflict, InUse, Use
from app.models import Preference, Schedule
from app.services import dispatch, preferences
from app.services.named import (
    Change,
    Collection,
    Document,
    merged,
    moment,
    path_to,
    unaddressable,
)
from app.services.schedule_shape import (
    LONGEST_NAME,
    ScheduleBody,
    checked,
    configured,
    put,
    timing,
)


class Schedules(Collection[Schedule, ScheduleBody]):
    """Schedules by name; the built-in ones stay as they are."""

    kind: ClassVar[str] = "schedule"
    path: ClassVar[str] = "/schedules"
    key: ClassVar[str] = "name"
    renames: ClassVar[bool] = True
    longest: ClassVar[int] = LONGEST_NAME
    shape = ScheduleBody

    def find(self, session: Session, name: str, *, lock: bool = False) -> Schedule | None:
        """Return the schedule of `name`."""
        query = select(Schedule).where(Schedule.name == name)
        return session.scalar(query.with_for_update() if lock else query)

    def unusable(self, name: str) -> str | None:
        """Its pages have the name in their addresses."""
        return unaddressable(name)

    def rows(self, session: Session, before: int | None, limit: int) -> Sequence[Schedule]:
        """Return schedules, newest first."""
        query = select(Schedule).order_by(Schedule.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Schedule.id < before)
        return session.scalars(query).all()

    def body(self, session: Session, row: Schedule) -> Document:
        """Return the schedule."""
        return configured(row)

    def extras(self, session: Session, row: Schedule) -> Document:
        """Return whether it can be changed, when it runs next, and what runs by it."""
        connection, now = session.connection(), utc_now()
        found = _used_by(session, row)
        schedule, last = timing(row), dispatch.last_run(connection) if found else now
        if found:
            schedule = dispatch.current_schedule(connection)
        return {
            "builtIn": row.built_in,
            "sentence": schedule.sentence,
            "next": [moment(at.replace(microsecond=0)) for at in upcoming(schedule, last, now)],
            "usedBy": [vars(use) for use in found],
        }

    def merge(self, current: Document, changes: Mapping[str, Any]) -> Document:
        """Merge; the zone goes with the cron line that it belongs to."""
        result: Document = merged(current, changes)
        if result.get("cron") is None and "zone" not in changes:
            result.pop("zone", None)
        return result

    def store(
        self, change: Change, name: str, row: Schedule | None, body: ScheduleBody
    ) -> Schedule:
        """Check and store; the setting follows a new name, and new times hold at once."""
        if row is not None and row.built_in:
            raise _refused(row)
        checked(body)
        used = row is not None and bool(_used_by(change.session, row))
        if row is None:
            row = Schedule(built_in=False, created_at=change.now, updated_at=change.now)
            change.session.add(row)
        before = timing(row)
        row.name = name
        put(row, body)
        change.session.flush()
        if used:
            _follow(change, name)
            if timing(row) != before:
                change.afterwards.append(lambda: dispatch.schedule_changed(change.site))
        return row

    def remove(self, change: Change, row: Schedule) -> None:
        """Delete a schedule that nothing runs by; raises InUse, Conflict for a built-in one."""
        if row.built_in:
            raise _refused(row)
        found = _used_by(change.session, row)
        if found:
            raise InUse(f"The schedule {row.name!r} is in use.", found)
        change.session.delete(row)
        change.session.flush()


SCHEDULES = Schedules()


def _used_by(session: Session, row: Schedule) -> list[Use]:
    wishes = preferences.load(session.connection())
    if wishes.post_notification_schedule != row.name:
        return []
    return [Use("settings", preferences.SCHEDULE, path_to(preferences.PATH))]


def _follow(change: Change, name: str) -> None:
    """Let the setting name the schedule by its new name; it is the same choice as before."""
    table = Preference.__table__
    change.session.connection().execute(
        table.update().where(table.c.name == preferences.SCHEDULE).values(value=name)
    )


def _refused(row: Schedule) -> Conflict:
    return Conflict(f"{row.name!r} is built in: it cannot be changed or deleted.")
