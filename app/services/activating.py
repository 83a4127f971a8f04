"""Activating and inactivating many integrations, as a job; each as a single one is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from app.clock import monotonic, sleep
from app.domain.kinds import JobKind
from app.errors import NotFound, StorageUnavailable
from app.queueing import JOBS
from app.services import configuring, jobs
from app.services.bulk_rows import REST_SECONDS, missing
from app.services.installation import Installation
from app.services.integrations import INTEGRATIONS
from app.services.jobs import Open
from app.services.named import Change
from app.services.sql import patiently

# So many rows, and for so long, are done while the caller waits.
MOST_AT_ONCE, SECONDS = 50, 1.0
# So many are noted at once; each is a transaction of its own.
CHUNK = 25
_STATUS = {JobKind.ACTIVATE: "active", JobKind.INACTIVATE: "inactive"}


def start(
    site: Installation, actor: str, kind: JobKind, keys: Sequence[str], seconds: float = SECONDS
) -> int | None:
    """Activate or inactivate all directions of `keys`; returns the job, None: there are none.

    Up to 50 are done when this returns, unless that took `seconds`; otherwise a worker does them.
    """
    until = monotonic() + seconds
    chosen = list(dict.fromkeys(keys))
    if not chosen:
        return None
    job = jobs.queue(site, kind, actor, {}, chosen)
    if len(chosen) > MOST_AT_ONCE or not _done(site, job, until):
        site.alarm.wake([JOBS])
    return job.id


def change(
    site: Installation, actor: str, key: str, status: str, direction: str | None = None
) -> bool:
    """Set the status of one direction of `key`, None: of all; returns whether it was another.

    Raises NotFound.
    """
    document = configuring.get(INTEGRATIONS, site, key).document
    wanted = ("forward", "backward") if direction is None else (direction,)
    there = [one for one in wanted if document[one] is not None]
    if all(document[one]["status"] == status for one in there):
        return False
    changes = {one: {"status": status} for one in there}
    configuring.patch(INTEGRATIONS, site, actor, key, changes)
    return True


def work_off(site: Installation, job: Open, goes_on: Callable[[], bool]) -> bool:
    """Do the rows of a job; returns whether it has ended.

    Stops before a chunk when not `goes_on`. Raises StorageUnavailable; doing it again goes on.
    """
    while goes_on():
        with site.store.reading() as connection:
            now = jobs.opened(connection, job.id)
            keys = [] if now is None else jobs.next_keys(connection, now, CHUNK)
        if now is None:
            return True
        skipped = {key: reason for key in keys if (reason := _change(site, job, key))}
        if not patiently(partial(_note, site, now, keys, skipped)):
            return True
        sleep(REST_SECONDS)
    return False


def give_up(job_id: int, error: str, change: Change) -> None:
    """End a job that cannot go on, with a sentence, in the transaction of `change`."""
    connection = change.session.connection()
    job = jobs.opened(connection, job_id)
    if job is not None:
        jobs.fail(connection, job, error)


def _done(site: Installation, job: Open, until: float) -> bool:
    try:
        return work_off(site, job, lambda: monotonic() < until)
    except StorageUnavailable:
        return False


def _change(site: Installation, job: Open, key: str) -> str | None:
    """Change one integration; returns why it was left alone, or None."""
    status = _STATUS[job.kind]
    try:
        return None if change(site, job.actor, key, status) else f"{status} already"
    except NotFound:
        return missing(key)


def _note(site: Installation, before: Open, keys: Sequence[str], skipped: dict[str, str]) -> bool:
    """Write what became of `keys`, unless another process did; returns whether more are left."""
    with site.store.writing() as connection:
        job = jobs.opened(connection, before.id)
        if job is None:
            return False
        return job.done != before.done or jobs.note(connection, job, keys, skipped)
