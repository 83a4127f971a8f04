"""The table of periodic jobs, and its reconciliation with what stands in Redis.

rq-scheduler loses a recurring job when it dies between two commands and doubles it between two
others (facts.md); so what is missing is added, and what is unknown or changed is removed.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from redis import Redis

from app.clock import utc_now
from app.queueing import JsonJob, queue
from app.services import dispatch
from app.services.installation import Installation

with warnings.catch_warnings():
    # rq-scheduler imports crontab, which warns about a rename that is not ours to make.
    warnings.simplefilter("ignore")
    from rq_scheduler import Scheduler

log = logging.getLogger(__name__)

FAILURE_TTL = 60


@dataclass(frozen=True)
class Periodic:
    """A job that runs every `seconds`; `id` is fixed, so that it stands in Redis once."""

    id: str
    function: str
    seconds: int


def table(site: Installation) -> list[Periodic]:
    """Return the periodic jobs as they should be now; the pass follows its schedule (S1)."""
    jobs = [
        # Longer than a drain lasts, so that they do not pile up; an idle worker waits as long.
        Periodic("drain", "workers.jobs.drain", 30),
        Periodic("sweep", "workers.jobs.sweep", 15),
    ]
    with site.store.reading() as connection:
        interval = dispatch.current_schedule(connection).interval
    if interval is not None:
        seconds = max(1, round(interval / timedelta(seconds=1)))
        jobs.append(Periodic("dispatch", "workers.jobs.dispatch_pass", seconds))
    return jobs


def scheduler(client: Redis) -> Scheduler:
    """Return an rq-scheduler that makes JSON jobs for our queue and looks every second."""
    return Scheduler(queue=queue(client), connection=client, interval=1, job_class=JsonJob)


def reconcile(client: Redis, wanted: Sequence[Periodic]) -> list[str]:
    """Make Redis hold exactly `wanted`; return what was changed. Harmless by two at once."""
    keeper, changed, there = scheduler(client), [], set()
    by_id = {job.id: job for job in wanted}
    for job in list(keeper.get_jobs()):
        row = by_id.get(job.id)
        if row and (job.func_name, job.meta.get("interval")) == (row.function, row.seconds):
            there.add(row.id)
        else:
            keeper.cancel(job)
            job.delete()
            changed.append(f"-{job.id}")
    for row in wanted:
        if row.id not in there:
            _add(keeper, row)
            changed.append(f"+{row.id}")
    if changed:
        log.info("periodic jobs reconciled: %s", ", ".join(changed))
    return changed


def _add(keeper: Scheduler, row: Periodic) -> None:
    # A naive UTC time is what rq-scheduler's own to_unix expects.
    first = (utc_now() + timedelta(seconds=row.seconds)).replace(tzinfo=None)
    keeper.schedule(
        first,
        row.function,
        interval=row.seconds,
        id=row.id,
        result_ttl=FAILURE_TTL,
        timeout=-1,
    )
