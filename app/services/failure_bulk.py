"""Deleting, resolving or resetting many failures at once, as a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from app.clock import monotonic
from app.domain.kinds import JobKind, RowOutcome
from app.errors import NotFound
from app.failpoints import reach
from app.models import JobRow
from app.services import audit, jobs
from app.services.failures import Action, apply
from app.services.installation import Installation
from app.services.job_steps import SECONDS, Work
from app.services.jobs import Open
from app.services.reading import failures
from app.services.reading.failure_filter import FailureQuery
from app.services.sql import patiently

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
    request: dict[str, Any] = {"filter": None}
    if asked is not None:
        unset = {"limit", "cursor"}
        request["filter"] = asked.model_dump(
            mode="json", by_alias=True, exclude=unset, exclude_none=True
        )
    return WORK.start(site, actor, _KINDS[action], request, keys, until)


def _step(site: Installation, job: Open) -> bool:
    return patiently(partial(_some, site, job.id))


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


WORK = Work(_step, _audit)
