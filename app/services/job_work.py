"""Working on jobs: a worker takes the one that is next, and ends it, or gives it back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock

from sqlalchemy import and_

from app.domain.kinds import JobKind
from app.errors import StorageUnavailable
from app.models import Job
from app.services import activating, bulk, configuring, failure_bulk, jobs, replay_bulk
from app.services.installation import Installation
from app.services.job_steps import Work
from app.services.jobs import Open

log = logging.getLogger(__name__)

GoesOn = Callable[[], bool]
UNFORESEEN = "The server met an error of its own; its log tells more."
_WORK: Mapping[JobKind, Work] = {
    JobKind.REGISTER: bulk.WORK,
    JobKind.DELETE_FAILURES: failure_bulk.WORK,
    JobKind.RESOLVE_FAILURES: failure_bulk.WORK,
    JobKind.RESET_FAILURES: failure_bulk.WORK,
    JobKind.ACTIVATE: activating.WORK,
    JobKind.INACTIVATE: activating.WORK,
    JobKind.SEND_AGAIN: replay_bulk.WORK,
}
# A process does one job at a time; so one that it holds and does not do was left by an error.
_ONE_JOB = Lock()


def run_queued(site: Installation, process_id: int, goes_on: GoesOn) -> None:
    """Do the jobs that are queued, one after another, while `goes_on`.

    Harmless however often it is called, and by how many workers. Raises StorageUnavailable; the
    job is then taken up again by the next call.
    """
    with _ONE_JOB:
        while goes_on() and (job := jobs.claim(site, process_id)) is not None:
            if not _ended(site, job, goes_on):
                jobs.give_back(site, and_(Job.id == job.id, Job.owner_id == process_id))


def _ended(site: Installation, job: Open, goes_on: GoesOn) -> bool:
    """Work on the job; an unforeseen error ends it, so that it does not come again for ever."""
    try:
        return _WORK[job.kind].off(site, job, goes_on)
    except StorageUnavailable:
        raise
    except Exception:
        log.exception("job %s failed", job.id)
        give_up = _WORK[job.kind].give_up
        configuring.run(site, job.actor, partial(give_up, job.id, UNFORESEEN))
        return True
