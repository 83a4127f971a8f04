"""The dispatch pass: one run of the Post Failure Notification job (S1; product.md 7)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import ColumnElement, Connection, func, select, text

from app.clock import utc_now
from app.domain import schedule as schedules
from app.domain.kinds import RunCause, RunState
from app.failpoints import reach
from app.models import DispatchRun, Preference, Schedule
from app.queueing import RUNS
from app.services import lane_work, pass_work, preferences
from app.services.installation import Installation
from app.services.processes import dead_owners
from app.services.sql import insert_returning, one_id

log = logging.getLogger(__name__)

# Serialises on PostgreSQL what SQLite's single writer serialises anyway (an arbitrary constant).
_LOCK = 726_354
# The scheduler's own clock runs from the moment it queued, a little before the run was made.
TOLERANCE = timedelta(seconds=2)
# A process runs one pass at a time; so one that it holds and does not run was left by an error.
_ONE_PASS = Lock()


def request(site: Installation, cause: RunCause) -> int:
    """Queue a pass that sees everything committed before this call; return its id.

    One that is queued already serves as well. One transaction.
    """
    with site.store.writing() as connection:
        run_id = _queued(connection) or _queue(connection, cause)
    site.alarm.wake([RUNS])
    return run_id


def request_if_due(site: Installation) -> int | None:
    """Queue the scheduled pass when its time has come; harmless however often it is called.

    Returns its id; None when it is not due, or when one that is queued already will serve.
    """
    with site.store.reading() as connection:
        if not _is_due(connection):
            return None
    with site.store.writing() as connection:
        _serialise(connection, site)
        if _queued(connection) is not None or not _is_due(connection):
            return None
        run_id = _queue(connection, RunCause.SCHEDULE)
    site.alarm.wake([RUNS])
    return run_id


def schedule_changed(site: Installation) -> None:
    """Let the workers look at the schedule at once; the table in Redis follows within seconds."""
    site.alarm.wake([RUNS])


def current_schedule(connection: Connection) -> schedules.Schedule:
    """Return the schedule of the pass as it is set now, and since when it is.

    The default in the moment in which another connection gives the schedule a new name.
    """
    name = preferences.load(connection).post_notification_schedule
    chosen = select(Preference.updated_at).where(Preference.name == preferences.SCHEDULE)
    query = select(Schedule.__table__, chosen.scalar_subquery().label("chosen_at"))
    row = connection.execute(query.where(Schedule.name == name)).one_or_none()
    if row is None:
        return schedules.BUILT_IN[schedules.DEFAULT]
    since = max(row.updated_at, row.chosen_at or row.updated_at)
    return schedules.Schedule(row.every_n, row.every_unit, row.cron, row.zone, since)


def last_run(connection: Connection) -> datetime | None:
    """Return when the pass was last queued by its schedule."""
    return connection.scalar(
        select(DispatchRun.created_at)
        .where(DispatchRun.cause == RunCause.SCHEDULE)
        .order_by(DispatchRun.id.desc())
        .limit(1)
    )


def _is_due(connection: Connection) -> bool:
    schedule, now = current_schedule(connection), utc_now()
    due = schedules.next_run(schedule, last_run(connection), now)
    # A run before the minute that a cron line names would leave that minute due again.
    early = TOLERANCE if schedule.cron is None else timedelta()
    return due is not None and due <= now + early


def _serialise(connection: Connection, site: Installation) -> None:
    if not site.store.sqlite:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def _queued(connection: Connection) -> int | None:
    return connection.scalar(
        select(DispatchRun.id).where(DispatchRun.state == RunState.QUEUED).limit(1)
    )


def _queue(connection: Connection, cause: RunCause) -> int:
    row = {
        "cause": cause,
        "state": RunState.QUEUED,
        "created_at": utc_now(),
        **dict.fromkeys(("considered", "notified", "held", "skipped", "failed"), 0),
    }
    return insert_returning(connection, DispatchRun.__table__, [row])[0]


def run_queued(site: Installation, process_id: int) -> Sequence[int]:
    """Run the pass that is queued, if none is running; return the lanes to serve now.

    Each step is its own transaction and harmless when done twice, so a pass that was killed, or
    met a database that was away, is simply run again. Raises StorageUnavailable.
    """
    with _ONE_PASS:
        run_id = _claim(site, process_id)
        if run_id is None:
            return []
        reach(10)
        counts = pass_work.work(site)
        reach(11)
        _finish(site, run_id, process_id, counts)
    # A second one may have been queued meanwhile.
    site.alarm.wake([RUNS])
    return lane_work.with_work(site)


def _claim(site: Installation, process_id: int) -> int | None:
    table = DispatchRun.__table__
    unfinished = table.c.state.in_((RunState.QUEUED, RunState.RUNNING))
    with site.store.reading() as connection:
        if connection.scalar(select(table.c.id).where(unfinished).limit(1)) is None:
            return None
    with site.store.writing() as connection:
        _serialise(connection, site)
        _requeue(connection, table.c.owner_id == process_id)
        running = select(table.c.id).where(table.c.state == RunState.RUNNING).exists()
        queued = (
            select(func.min(table.c.id)).where(table.c.state == RunState.QUEUED).scalar_subquery()
        )
        return one_id(
            connection,
            table.update()
            .where(table.c.id == queued, ~running)
            .values(state=RunState.RUNNING, started_at=utc_now(), owner_id=process_id)
            .returning(table.c.id),
        )


def _requeue(connection: Connection, which: ColumnElement[bool]) -> None:
    table = DispatchRun.__table__
    connection.execute(
        table.update()
        .where(which, table.c.state == RunState.RUNNING)
        .values(state=RunState.QUEUED, owner_id=None)
    )


def requeue_lost(site: Installation) -> None:
    """Queue again the pass whose process died at this place."""
    with site.store.reading() as connection:
        running = connection.execute(
            select(DispatchRun.id, DispatchRun.owner_id).where(
                DispatchRun.state == RunState.RUNNING
            )
        ).all()
    dead = dead_owners(site, {row.owner_id for row in running if row.owner_id is not None})
    lost = [row.id for row in running if row.owner_id in dead]
    if lost:
        with site.store.writing() as connection:
            _requeue(connection, DispatchRun.__table__.c.id.in_(lost))


def _finish(site: Installation, run_id: int, process_id: int, counts: dict[str, int]) -> None:
    """Close the run, unless it was taken from this process meanwhile."""
    table = DispatchRun.__table__
    with site.store.writing() as connection:
        connection.execute(
            table.update()
            .where(
                table.c.id == run_id,
                table.c.state == RunState.RUNNING,
                table.c.owner_id == process_id,
            )
            .values(state=RunState.DONE, finished_at=utc_now(), owner_id=None, **counts)
        )
