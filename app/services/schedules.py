"""Schedules: when the Post Failure Notification job may run (product.md 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.schedule import DEFAULT
from app.errors import Conflict, Use
from app.models import Preference, Schedule
from app.services.named import Answered, Change, Collection, Document, path_to

SETTING = "postNotificationSchedule"


class ScheduleBody(Answered):
    """A schedule; the built-in ones run by an interval, or never by themselves."""

    name: Any = None
    built_in: Any = None
    every: Any = None
    cron: Any = None
    zone: Any = None


class Schedules(Collection[Schedule, ScheduleBody]):
    """Schedules by name; all there are now are built in."""

    kind: ClassVar[str] = "schedule"
    path: ClassVar[str] = "/schedules"
    key: ClassVar[str] = "name"
    shape = ScheduleBody

    def find(self, session: Session, name: str, *, lock: bool = False) -> Schedule | None:
        """Return the schedule of `name`."""
        return session.scalar(select(Schedule).where(Schedule.name == name))

    def rows(self, session: Session, before: int | None, limit: int) -> Sequence[Schedule]:
        """Return schedules, newest first."""
        query = select(Schedule).order_by(Schedule.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Schedule.id < before)
        return session.scalars(query).all()

    def body(self, session: Session, row: Schedule) -> Document:
        """Return the schedule."""
        every = {"n": row.every_n, "unit": row.every_unit} if row.every_n else None
        return {"name": row.name, "every": every, "cron": row.cron, "zone": row.zone}

    def extras(self, session: Session, row: Schedule) -> Document:
        """Return whether it can be changed, and what runs by it."""
        query = select(Preference.value).where(Preference.name == SETTING)
        used = (session.scalar(query) or DEFAULT) == row.name
        uses = [Use("settings", SETTING, path_to("/settings"))] if used else []
        return {"builtIn": row.built_in, "usedBy": [vars(use) for use in uses]}

    def address(self, session: Session, name: str) -> None:
        """Refuse a name that is not there."""
        if self.find(session, name) is None:
            raise self.missing(name)

    def store(
        self, change: Change, name: str, row: Schedule | None, body: ScheduleBody
    ) -> Schedule:
        """Refuse: a built-in schedule cannot be changed."""
        raise _refused(name)

    def remove(self, change: Change, row: Schedule) -> None:
        """Refuse: a built-in schedule cannot be deleted."""
        raise _refused(row.name)


SCHEDULES = Schedules()


def _refused(name: str) -> Conflict:
    return Conflict(f"{name!r} is built in: it cannot be changed or deleted.")
