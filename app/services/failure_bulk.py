"""Deleting, resolving or resetting many failures at once, as a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from app.clock import monotonic, sleep
from app.domain.kinds import JobKind, RowOutcome
from app.errors import NotFound, StorageUnavailable
from app.failpoints import reach
from app.models import JobRow
from app.queueing import JOBS
from app.services import audit, jobs
from app.services.bulk_rows import REST_SECONDS
from app.services.failures import Action, apply
from app.services.installation import Installation
from app.services.jobs import Open
from app.services.named import Change
from app.services.reading import failures
from app.services.reading.failure_filter import FailureQuery
from app.services.sql import patiently

# So many rows, and for so long, are done while the caller waits.
MOST_AT_ONCE, SECONDS = 50, 1.0
# So many in a transaction: SQLite has one writer, which intake waits for.
CHUNK = 25
MOST_AUDITED = 100
_KINDS: Mapping[Action, JobKind] = {
    Action.DELETE: JobKind.DELETE_FAILURES,
    Action.RESOLVE: JobKind.RESOLVE_FAILURES,
    Action.RESET: JobKind.RESET_FAILURES,
}
_ACTIONS = {kind: action for action, kind in _KINDS.items()}


def start(
    site: Installation,
    actor: str,
    action: Action,
    which: Sequence[int] | FailureQuery,
    seconds: float = SECONDS,
) -> int | None:
    """Do `action` to the failures of these ids, or of a filter as of now; returns the job.

    None: there are none. Up to 50 are done when this returns, unless that took `seconds`;
    otherwise a worker does them. Harmless when repeated.
    """
    until = monotonic() + seconds
    asked = which if isinstance(which, FailureQuery) else None
    ids = which if not isinstance(which, FailureQuery) else list(failures.ids(site, which))
    keys = [str(one) for one in dict.fromkeys(ids)]
    if not keys:
        return None
    request: dict[str, Any] = {"filter": None}
    if asked is not None:
        unset = {"limit", "cursor"}
        request["filter"] = asked.model_dump(
            mode="json", by_alias=True, exclude=unset, exclude_none=True
        )
    job = jobs.queue(site, _KINDS[action], actor, request, keys)
    if len(keys) > MOST_AT_ONCE or not _done(site, job, until):
        site.alarm.wake([JOBS])
    return job.id


def _done(site: Installation, job: Open, until: float) -> bool:
    try:
        return work_off(site, job, lambda: monotonic() < until)
    except StorageUnavailable:
        return False


def work_off(site: Installation, job: Open, goes_on: Callable[[], bool]) -> bool:
    """Do the rows of a job, a transaction for each chunk; returns whether it has ended.

    Stops before a chunk when not `goes_on`. Raises StorageUnavailable; doing it again goes on.
    """
    while goes_on():
        left = patiently(partial(_some, site, job.id))
        reach(16)
        if not left:
            return True
        sleep(REST_SECONDS)
    return False


def _some(site: Installation, job_id: int) -> bool:
    """Do the next rows in one transaction; returns whether more are left."""
    with site.store.writing() as connection:
        job = jobs.opened(connection, job_id)
        if job is None:
            return False
        keys = jobs.next_keys(connection, job, CHUNK)
        skipped: dict[str, str] = {}
        # In the order of their ids, so that two jobs cannot wait for each other for ever.
        for one in sorted(keys, key=int):
            try:
                if not apply(connection, _ACTIONS[job.kind], int(one), job.actor, audited=False):
                    skipped[one] = "nothing to change"
            except NotFound:
                skipped[one] = "deleted meanwhile"
        left = jobs.note(connection, job, keys, skipped)
        if not left:
            _audit(connection, job)
        reach(15)
    return left


def give_up(job_id: int, error: str, change: Change) -> None:
    """End a job that cannot go on, with a sentence, in the transaction of `change`."""
    connection = change.session.connection()
    job = jobs.opened(connection, job_id)
    if job is not None:
        jobs.fail(connection, job, error)
        _audit(connection, job)


def _audit(connection: Connection, job: Open) -> None:
    """Write one entry for the whole job: how many it changed, and the first of them."""
    counts = jobs.counts_of(connection, job)
    changed = counts[RowOutcome.CHANGED]
    if not changed:
        return
    mine = select(JobRow.key).where(JobRow.job_id == job.id, JobRow.outcome == RowOutcome.CHANGED)
    first = list(connection.scalars(mine.order_by(JobRow.place).limit(MOST_AUDITED)))
    after = {"job": str(job.id), **counts, "failures": first, **job.request}
    name = f"{changed:,} failures"
    audit.record(connection, job.actor, _ACTIONS[job.kind], "failure", name, None, after)
