"""Registering many integrations at once, as a job (S1; product.md 5, Bulk)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clock import monotonic, sleep
from app.domain.kinds import JobKind, RowOutcome
from app.errors import Fault, Invalid, StorageUnavailable
from app.failpoints import reach
from app.models import JobRow, System
from app.queueing import JOBS
from app.services import audit, configuring, jobs, systems
from app.services.bulk_rows import REST_SECONDS, Wish, register_some
from app.services.bulk_shape import BulkBody, BulkRegistrationBody, keys_of
from app.services.installation import Installation
from app.services.jobs import Open
from app.services.named import Change
from app.shapes import parse

# So many rows, and for so long, are done while the caller waits.
MOST_AT_ONCE, SECONDS = 50, 1.0
# So many in a transaction: 10 ms on SQLite, whose one writer intake waits for.
CHUNK = 250
MOST_AUDITED = 100
_SETTINGS = {"system", "include_error_trace", "same_for_backward", "tell_recovery", "forward"}


def register(
    site: Installation, actor: str, body: BulkBody, seconds: float = SECONDS
) -> int | None:
    """Register all that `body` means and that is not registered; returns the job, None: nothing.

    Up to 50 are done when this returns, unless that took `seconds`; otherwise a worker does them.
    Raises Invalid. Harmless when repeated: those that are registered by then are skipped.
    """
    until = monotonic() + seconds
    with site.store.viewing() as session:
        system = _system(session, body)
        keys = keys_of(session.connection(), body)
    if not keys:
        return None
    asked = body.registration.model_dump(mode="json", by_alias=True, include=_SETTINGS)
    request = {"systemId": system.id, "registration": asked}
    job = jobs.queue(site, JobKind.REGISTER, actor, request, keys)
    if len(keys) > MOST_AT_ONCE or not _done(site, job, until):
        site.alarm.wake([JOBS])
    return job.id


def _system(session: Session, body: BulkBody) -> System:
    system, problem = systems.for_mail(session, body.registration.system)
    if system is None:
        raise Invalid([Fault("/registration/system", problem or "is required")])
    return system


def _done(site: Installation, job: Open, until: float) -> bool:
    """Do the job here and now; False: it takes too long, or the database is away."""
    try:
        return work_off(site, job, lambda: monotonic() < until)
    except StorageUnavailable:
        return False


def work_off(site: Installation, job: Open, goes_on: Callable[[], bool]) -> bool:
    """Do the rows of a job, a transaction for each chunk; returns whether it has ended.

    Stops before a chunk when not `goes_on`. Raises StorageUnavailable; doing it again goes on.
    """
    body = parse(BulkRegistrationBody, job.request["registration"])
    wish = Wish(job.request["systemId"], body)
    while goes_on():
        left = configuring.run(site, job.actor, partial(_some, job.id, wish))
        reach(16)
        if not left:
            return True
        sleep(REST_SECONDS)
    return False


def _some(job_id: int, wish: Wish, change: Change) -> bool:
    """Do the next rows in the transaction of `change`; returns whether more are left."""
    connection = change.session.connection()
    job = jobs.opened(connection, job_id)
    if job is None:
        return False
    if change.session.get(System, wish.system_id) is None:
        give_up(job_id, f"The system {wish.body.system!r} was deleted meanwhile.", change)
        return False
    keys = jobs.next_keys(connection, job, CHUNK)
    left = jobs.note(connection, job, keys, register_some(change, wish, keys))
    if not left:
        _audit(change, job)
    reach(15)
    return left


def give_up(job_id: int, error: str, change: Change) -> None:
    """End a job that cannot go on, with a sentence, in the transaction of `change`."""
    job = jobs.opened(change.session.connection(), job_id)
    if job is not None:
        jobs.fail(change.session.connection(), job, error)
        _audit(change, job)


def _audit(change: Change, job: Open) -> None:
    """Write one entry for the whole job: how many it registered, the first of them, and how."""
    connection = change.session.connection()
    counts = jobs.counts_of(connection, job)
    registered = counts[RowOutcome.REGISTERED]
    if not registered:
        return
    mine = select(JobRow.key).where(JobRow.job_id == job.id)
    mine = mine.where(JobRow.outcome == RowOutcome.REGISTERED).order_by(JobRow.place)
    after: dict[str, Any] = {
        "job": str(job.id),
        **counts,
        "integrations": list(connection.scalars(mine.limit(MOST_AUDITED))),
        "registration": job.request["registration"],
    }
    name = f"{registered:,} integrations"
    audit.record(connection, job.actor, "register", "registration", name, None, after)
