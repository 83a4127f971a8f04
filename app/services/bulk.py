"""Registering many integrations at once, as a job (S1; product.md 5, Bulk)."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from app.clock import monotonic
from app.domain.kinds import JobKind, RowOutcome
from app.errors import Fault, Invalid
from app.failpoints import reach
from app.models import JobRow, System
from app.services import audit, configuring, jobs, systems
from app.services.bulk_rows import Wish, register_some
from app.services.bulk_shape import BulkBody, BulkRegistrationBody, keys_of
from app.services.installation import Installation
from app.services.job_steps import SECONDS, Work
from app.services.jobs import Open
from app.services.named import Change
from app.shapes import parse

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
    asked = body.registration.model_dump(mode="json", by_alias=True, include=_SETTINGS)
    request = {"systemId": system.id, "registration": asked}
    return WORK.start(site, actor, JobKind.REGISTER, request, keys, until)


def _system(session: Session, body: BulkBody) -> System:
    system, problem = systems.for_mail(session, body.registration.system)
    if system is None:
        raise Invalid([Fault("/registration/system", problem or "is required")])
    return system


def _step(site: Installation, job: Open) -> bool:
    """Register the next ones, with their note, in one transaction."""
    body = parse(BulkRegistrationBody, job.request["registration"])
    wish = Wish(job.request["systemId"], body)
    return configuring.run(site, job.actor, partial(_some, job.id, wish))


def _some(job_id: int, wish: Wish, change: Change) -> bool:
    """Do the next rows in the transaction of `change`; returns whether more are left."""
    connection = change.session.connection()
    job = jobs.opened(connection, job_id)
    if job is None:
        return False
    if change.session.get(System, wish.system_id) is None:
        WORK.give_up(job_id, f"The system {wish.body.system!r} was deleted meanwhile.", change)
        return False
    keys = jobs.next_keys(connection, job, CHUNK)
    left = jobs.note(connection, job, keys, register_some(change, wish, keys))
    if not left:
        _audit(connection, job)
    reach(15)
    return left


def _audit(connection: Connection, job: Open) -> None:
    """Write one entry for the whole job: how many it registered, the first of them, and how."""
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


WORK = Work(_step, _audit)
