"""The dispatch status of the top bar: when the next pass runs, or why none does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.domain import schedule as schedules
from app.models import Process
from app.services import dispatch, preferences
from app.services.health import SEEN
from app.services.installation import Installation


@dataclass(frozen=True)
class Status:
    """What the top bar says."""

    text: str
    ok: bool
    next_at: datetime | None
    paused: bool


def read(site: Installation, now: datetime) -> Status:
    """Return the status as it is now, by a few small queries; raises StorageUnavailable."""
    with site.store.reading() as connection:
        if preferences.load(connection).paused:
            return Status("paused", False, None, True)
        schedule = dispatch.current_schedule(connection)
        due = schedules.next_run(schedule, dispatch.last_run(connection), now)
        seen = (Process.role == "scheduler", Process.seen_at > now - SEEN)
        alive = connection.scalar(
            select(Process.id).where(*seen, Process.seen_at < now + SEEN).limit(1)
        )
    if due is None:
        return Status("On Demand: runs only by hand", True, None, False)
    due = max(due, now)
    if alive is None:
        return Status("no scheduler alive", False, due, False)
    return Status(f"next run {_in(due, now)}", True, due, False)


def _in(due: datetime, now: datetime) -> str:
    seconds = int((due - now).total_seconds())
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"in {seconds // size} {word}"
    return f"in {seconds} s" if seconds else "now"
