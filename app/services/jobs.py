"""Jobs: long pieces of work that people ask for, done row by row and taken up where they stood.

What a job does with its next rows, and that it did, is one transaction of whoever works on it. So
it may be killed anywhere, and two may even work on it at once: each does the rows that are next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, literal, or_, select, text

from app.clock import utc_now
from app.domain.kinds import JobKind, JobState, RowOutcome
from app.models import Job, JobRow
from app.services.audit import LONGEST_ACTOR
from app.services.installation import Installation
from app.services.processes import dead_owners
from app.services.sql import insert_returning, listed, patiently

# So many rows are written in a transaction: 10 ms on SQLite, whose one writer intake waits for.
ROWS_AT_ONCE = 2_000
_HALF_MADE = "It was interrupted while it was being made; nothing was done."
# For queries, in the very words of the index: SQLite uses it for these, and not for bound values.
_IS_OPEN = text("jobs.state IN ('queued', 'running')")
_JOB, _ROW = Job.__table__.c, JobRow.__table__.c
_SKIPPED = (
    JobRow.__table__.update()
    .where(_ROW.job_id == bindparam("job"), _ROW.place == bindparam("nth"))
    .values(outcome=RowOutcome.SKIPPED, reason=bindparam("why"))
)


@dataclass(frozen=True)
class Open:
    """A job that has not ended: what it was asked with, by whom, and how far it is."""

    id: int
    kind: JobKind
    actor: str
    request: Mapping[str, Any]
    total: int
    done: int
    counts: Mapping[str, int]


_COLUMNS = [_JOB[name] for name in Open.__dataclass_fields__]


def outcome_of(kind: JobKind) -> RowOutcome:
    """Return how a row ends that a job of this kind has done."""
    return RowOutcome.REGISTERED if kind is JobKind.REGISTER else RowOutcome.CHANGED


def queue(
    site: Installation, kind: JobKind, actor: str, request: Mapping[str, Any], keys: Sequence[str]
) -> Open:
    """Make a job that does `keys` in order, at least one. Wakes nobody.

    Short transactions; until the last one the job is a failed one, which says that it is half made.
    """
    outcomes = (outcome_of(kind), RowOutcome.SKIPPED)
    counts = {str(outcome): 0 for outcome in outcomes}
    actor = actor[:LONGEST_ACTOR]
    values = {"kind": kind, "actor": actor, "request": request, "done": 0, "counts": counts}
    values |= {"total": len(keys), "created_at": utc_now()}
    job_id: int | None = None
    for start in range(0, len(keys), ROWS_AT_ONCE):
        part = keys[start : start + ROWS_AT_ONCE]
        job_id = patiently(partial(_add, site, job_id, values, start, part))
    assert job_id is not None  # noqa: S101 - there is at least one key
    return Open(job_id, kind, actor, request, len(keys), 0, counts)


def _add(
    site: Installation, made: int | None, values: dict[str, Any], start: int, keys: Sequence[str]
) -> int:
    """Add rows to the job, which is made with the first and queued with the last of them."""
    with site.store.writing() as connection:
        half = values | {"state": JobState.FAILED, "error": _HALF_MADE}
        job_id = made or insert_returning(connection, Job.__table__, [half])[0]
        rows = listed(connection, keys).c
        places = select(literal(job_id, _ROW.job_id.type), rows.place + start, rows.value)
        insert = JobRow.__table__.insert().from_select(["job_id", "place", "key"], places)
        connection.execute(insert)
        if start + len(keys) == values["total"]:
            _change(connection, _JOB.id == job_id, state=JobState.QUEUED, error=None)
    return job_id


def claim(site: Installation, process_id: int) -> Open | None:
    """Let this process own the next job and return it; None: there is none to do.

    A process does one job at a time; one that it owns already was left by an error, and is next.
    """
    mine = and_(_JOB.state == JobState.RUNNING, _JOB.owner_id == process_id)
    free = and_(_IS_OPEN, or_(_JOB.state == JobState.QUEUED, mine))
    with site.store.reading() as connection:
        if connection.scalar(select(_JOB.id).where(free).limit(1)) is None:
            return None
    first = select(func.min(_JOB.id)).where(free).scalar_subquery()
    owned = {"state": JobState.RUNNING, "owner_id": process_id, "started_at": _started()}
    claimed = Job.__table__.update().where(_JOB.id == first, free).values(owned)
    with site.store.writing() as connection:
        row = connection.execute(claimed.returning(*_COLUMNS)).first()
    return None if row is None else Open(**row._mapping)


def opened(connection: Connection, job_id: int) -> Open | None:
    """Return the job as it is, kept from others until the commit; None where it has ended."""
    query = select(*_COLUMNS).where(_JOB.id == job_id, _IS_OPEN).with_for_update()
    row = connection.execute(query).first()
    return None if row is None else Open(**row._mapping)


def next_keys(connection: Connection, job: Open, most: int) -> Sequence[str]:
    """Return the keys of the next rows."""
    rows = and_(_ROW.job_id == job.id, _ROW.place.between(job.done, job.done + most - 1))
    return connection.scalars(select(_ROW.key).where(rows).order_by(_ROW.place)).all()


def counts_of(connection: Connection, job: Open) -> Mapping[str, int]:
    """Return how many rows of the job ended how, as of now."""
    counts: Mapping[str, int] = connection.scalars(
        select(_JOB.counts).where(_JOB.id == job.id)
    ).one()
    return counts


def note(
    connection: Connection, job: Open, keys: Sequence[str], skipped: Mapping[str, str]
) -> bool:
    """Write what became of the next rows: `skipped` says why; returns whether more are left.

    To be called in the transaction that did it. The last rows end the job.
    """
    upto, outcome = job.done + len(keys), outcome_of(job.kind)
    rows = and_(_ROW.job_id == job.id, _ROW.place.between(job.done, upto - 1))
    connection.execute(JobRow.__table__.update().where(rows).values(outcome=outcome))
    values = [
        {"job": job.id, "nth": place, "why": skipped[key]}
        for place, key in enumerate(keys, start=job.done)
        if key in skipped
    ]
    if values:
        connection.execute(_SKIPPED, values)
    did = {outcome: len(keys) - len(values), RowOutcome.SKIPPED: len(values)}
    counts = {str(how): job.counts[how] + number for how, number in did.items()}
    mine = _JOB.id == job.id
    _change(connection, mine, done=upto, counts=counts, started_at=_started())
    if upto >= job.total:
        _change(connection, mine, state=JobState.DONE, finished_at=utc_now(), owner_id=None)
    return upto < job.total


def fail(connection: Connection, job: Open, error: str) -> None:
    """End a job that cannot go on, with a sentence; the rows that are not done stay so."""
    ended = {"state": JobState.FAILED, "finished_at": utc_now(), "owner_id": None}
    _change(connection, _JOB.id == job.id, error=error, **ended)


def _change(connection: Connection, which: ColumnElement[bool], **values: Any) -> None:
    connection.execute(Job.__table__.update().where(which).values(values))


def _started() -> ColumnElement[Any]:
    return func.coalesce(_JOB.started_at, literal(utc_now(), _JOB.started_at.type))


def give_back(site: Installation, which: ColumnElement[bool]) -> None:
    """Queue again the running jobs of `which`."""
    with site.store.writing() as connection:
        running = and_(which, _JOB.state == JobState.RUNNING)
        _change(connection, running, state=JobState.QUEUED, owner_id=None)


def requeue_lost(site: Installation) -> None:
    """Queue again the jobs whose process died."""
    query = select(_JOB.id, _JOB.owner_id).where(_IS_OPEN, _JOB.state == JobState.RUNNING)
    with site.store.reading() as connection:
        running = connection.execute(query).all()
    dead = dead_owners(site, {row.owner_id for row in running if row.owner_id is not None})
    lost = [row.id for row in running if row.owner_id in dead]
    if lost:
        give_back(site, _JOB.id.in_(lost))
