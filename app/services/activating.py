"""Activating and inactivating many integrations, as a job; each as a single one is changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from app.clock import monotonic
from app.domain.kinds import JobKind
from app.errors import NotFound
from app.services import configuring, jobs
from app.services.bulk_rows import missing
from app.services.installation import Installation
from app.services.integrations import INTEGRATIONS
from app.services.job_steps import SECONDS, Work
from app.services.jobs import Open
from app.services.sql import patiently

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
    return WORK.start(site, actor, kind, {}, list(dict.fromkeys(keys)), until)


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


def _step(site: Installation, job: Open) -> bool:
    """Change the next ones, each in a transaction of its own, and note them all in one more."""
    with site.store.reading() as connection:
        now = jobs.opened(connection, job.id)
        keys = [] if now is None else jobs.next_keys(connection, now, CHUNK)
    if now is None:
        return False
    skipped = {key: reason for key in keys if (reason := _change(site, job, key))}
    return patiently(partial(_note, site, now, keys, skipped))


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


WORK = Work(_step)
