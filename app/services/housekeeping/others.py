"""What is old besides mail: passes, jobs, answered keys, cycles, hours, audit, dead processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    true,
    union,
)
from sqlalchemy.orm import aliased

from app.domain.kinds import JobState, RunCause, RunState
from app.models import (
    Audit,
    CountedCycle,
    DispatchRun,
    HourlyCount,
    Idempotency,
    Job,
    JobRow,
    Lane,
    Process,
)
from app.services.housekeeping.steps import Found
from app.services.housekeeping.walking import STRETCH, by_id, stretch
from app.services.installation import Installation
from app.services.processes import dead_owners

HOUR = timedelta(hours=1)
UNSEEN = timedelta(days=1)
# In the very words of the indexes: SQLite uses them for these, and not for bound values.
_IS_OPEN = text("state IN ('queued', 'running')")


@dataclass(frozen=True)
class ById:
    """Rows of a table whose ids grow with `made`; `old` says which are pruned."""

    name: str
    model: Any
    made: Any
    old: ColumnElement[bool]
    times: tuple[datetime, datetime]

    def find(self, connection: Connection, after: Any) -> Found:
        """Walk the primary key up to rows that were made too late to be old."""
        return by_id(connection, self.model.id, self.made, self.old, after, self.times)

    def delete(self, connection: Connection, keys: Sequence[int]) -> int:
        """Delete those that are still old."""
        done = connection.execute(delete(self.model).where(self.model.id.in_(keys), self.old))
        return int(done.rowcount)


@dataclass(frozen=True)
class ByKey:
    """Rows of a table with a key of several columns.

    `order`: the index along which they are found, the oldest first; without one, the primary key
    is walked, and `old` is asked of each row.
    """

    name: str
    model: Any
    old: ColumnElement[bool]
    order: Any = None

    @property
    def _key(self) -> list[Any]:
        return list(self.model.__table__.primary_key.columns)

    def find(self, connection: Connection, after: Any) -> Found:
        """Return the oldest, or the old ones of the next stretch."""
        query = select(*self._key).where(self.old)
        if self.order is None:
            part, last = stretch(connection, self._key, after)
            return Found(connection.execute(query.where(part)).all(), last)
        behind = true() if after is None else self.order >= after
        query = query.where(behind).add_columns(self.order).order_by(self.order).limit(STRETCH)
        rows = connection.execute(query).all()
        # What was found before is deleted by now, so that the same moment may be looked at again.
        last = rows[-1][-1] if len(rows) == STRETCH else None
        return Found([row[:-1] for row in rows], last)

    def delete(self, connection: Connection, keys: Sequence[Any]) -> int:
        """Delete those that are still old, each by its key."""
        same = [column == bindparam(f"key_{place}") for place, column in enumerate(self._key)]
        table: Table = self.model.__table__
        values = [{f"key_{place}": part for place, part in enumerate(key)} for key in keys]
        statement = table.delete().where(*same, self.old)
        done = connection.execute(statement.execution_options(preserve_rowcount=True), values)
        return int(done.rowcount)


@dataclass(frozen=True)
class Processes:
    """Processes that are dead, were not seen for a day, and are named by nothing that goes on."""

    site: Installation
    now: datetime
    name: str = "processes"

    def find(self, connection: Connection, after: Any) -> Found:
        """Look at all that were not seen lately; they are few."""
        seen = Process.seen_at
        # One seen in the future was seen by a clock that has been set back since.
        unseen = or_(seen < self.now - UNSEEN, seen > self.now + UNSEEN)
        ids = set(connection.scalars(select(Process.id).where(unseen, ~_named())))
        return Found(sorted(dead_owners(self.site, ids)), None)

    def delete(self, connection: Connection, keys: Sequence[int]) -> int:
        """Delete those that are not named."""
        done = connection.execute(delete(Process).where(Process.id.in_(keys), ~_named()))
        return int(done.rowcount)


def _named() -> ColumnElement[bool]:
    owners = (
        select(Lane.owner_id).where(Lane.owner_id.is_not(None)),
        select(DispatchRun.owner_id).where(DispatchRun.owner_id.is_not(None), _IS_OPEN),
        select(Job.owner_id).where(Job.owner_id.is_not(None), _IS_OPEN),
    )
    return Process.id.in_(union(*owners))


def passes(limit: datetime, now: datetime) -> ById:
    """Return the dispatch passes that ended before `limit`.

    The last one by schedule stays: the next one is counted from it, however long that is.
    """
    ended = DispatchRun.state.in_((RunState.DONE, RunState.FAILED))
    other = aliased(DispatchRun)
    last = select(func.max(other.id)).where(other.cause == RunCause.SCHEDULE).scalar_subquery()
    old = and_(ended, DispatchRun.finished_at < limit, DispatchRun.id.is_distinct_from(last))
    return ById("passes", DispatchRun, DispatchRun.created_at, old, (limit, now))


def jobs(limit: datetime, now: datetime) -> list[ByKey | ById]:
    """Return the jobs that ended before `limit`, their rows first."""
    ended = or_(Job.state == JobState.DONE, Job.state == JobState.FAILED)
    # One that was only half made has no end.
    old = and_(ended, func.coalesce(Job.finished_at, Job.created_at) < limit)
    theirs = JobRow.job_id.in_(select(Job.id).where(old))
    rows = ByKey("rows of jobs", JobRow, theirs, order=JobRow.job_id)
    return [rows, ById("jobs", Job, Job.created_at, old, (limit, now))]


def answers(limit: datetime) -> ByKey:
    """Return the idempotency keys that were answered before `limit`."""
    old = Idempotency.created_at < limit
    return ByKey("answered keys", Idempotency, old, order=Idempotency.created_at)


def cycles(limit: datetime) -> ByKey:
    """Return the cycles that counted before `limit`."""
    return ByKey("counted cycles", CountedCycle, CountedCycle.created_at < limit)


def hours(limit: datetime) -> ByKey:
    """Return the counts of hours that ended before `limit`."""
    old = HourlyCount.hour <= limit - HOUR
    return ByKey("hourly counts", HourlyCount, old, order=HourlyCount.hour)


def audited(limit: datetime, now: datetime) -> ById:
    """Return the entries of the audit log from before `limit`."""
    return ById("audit entries", Audit, Audit.at, Audit.at < limit, (limit, now))
