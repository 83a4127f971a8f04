"""The table of periodic jobs, and its reconciliation with what stands in Redis.

rq-scheduler loses a recurring job when it dies between two commands and doubles it between two
others (facts.md); so what is missing is added, and what is unknown or changed is removed.

A cron line is no recurring job there: its next run stands in the table as a job for once, and the
reconciliation after it adds the one that follows.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from rq.exceptions import InvalidJobOperation

from app.clock import utc_now
from app.queueing import JsonJob, queue
from app.services import dispatch, lane_work
from app.services.installation import Installation

with warnings.catch_warnings():
    # rq-scheduler imports crontab, which warns about a rename that is not ours to make.
    warnings.simplefilter("ignore")
    from rq_scheduler import Scheduler

log = logging.getLogger(__name__)

FAILURE_TTL = 60
DISPATCH = "workers.jobs.dispatch_pass"
LANE = "workers.jobs.serve_lane"
# An rq-scheduler that has not taken a job by then is away; the sweep did its work.
LATE = timedelta(minutes=1)


@dataclass(frozen=True)
class Periodic:
    """A job that runs every `seconds`, or once `at` a time (a whole second).

    `id` is fixed, or made of the time, so that it stands in Redis once whoever adds it. `args` are
    ids only.
    """

    id: str
    function: str
    seconds: int | None
    at: datetime | None = None
    args: tuple[int, ...] = ()


def table(site: Installation) -> list[Periodic]:
    """Return the jobs as they should be now: the pass follows its schedule (S1), and each lane that
    waits for its next round, or for a batch to be full, has a job of its own (S2).
    """
    jobs = [
        # Longer than a drain lasts, so that they do not pile up; an idle worker waits as long.
        Periodic("drain", "workers.jobs.drain", 30),
        Periodic("sweep", "workers.jobs.sweep", 15),
        Periodic("prune", "workers.jobs.prune", 86_400),
        Periodic("roll-up", "workers.jobs.roll_up", 3_600),
    ]
    with site.store.reading() as connection:
        schedule = dispatch.current_schedule(connection)
    if schedule.interval is not None:
        seconds = max(1, round(schedule.interval / timedelta(seconds=1)))
        jobs.append(Periodic("dispatch", DISPATCH, seconds))
    elif (at := schedule.after(utc_now())) is not None:
        # A run of its own each: RQ lets the job that has run expire under its id.
        jobs.append(Periodic(f"dispatch-{at:%Y%m%dT%H%M}", DISPATCH, None, at))
    return jobs + _lanes(site)


def _lanes(site: Installation) -> list[Periodic]:
    """Return a job for each lane that has something to do later, at the whole second after that.

    The worker that holds the lane's timer is earlier; this is for when there is none any more.
    """
    jobs = []
    for lane_id, moment in sorted(lane_work.upcoming(site).items()):
        at = moment.replace(microsecond=0) + timedelta(seconds=1)
        jobs.append(Periodic(f"lane-{lane_id}", LANE, None, at, (lane_id,)))
    return jobs


def scheduler(client: Redis) -> Scheduler:
    """Return an rq-scheduler that makes JSON jobs for our queue and looks every second."""
    return Scheduler(queue=queue(client), connection=client, interval=1, job_class=JsonJob)


def reconcile(client: Redis, wanted: Sequence[Periodic]) -> list[str]:
    """Make Redis hold exactly `wanted`; return what was changed. Harmless by two at once.

    What is to run once just now is left to rq-scheduler, which is about to take it away.
    """
    keeper, changed, there = scheduler(client), [], set()
    by_id = {job.id: job for job in wanted}
    for job, naive in list(keeper.get_jobs(with_times=True)):
        at = naive.replace(tzinfo=UTC)
        if _is(job, at, by_id.get(job.id)):
            there.add(job.id)
        elif not _fires(job, at):
            _remove(keeper, job)
            changed.append(f"-{job.id}")
    for row in wanted:
        if row.id not in there:
            _add(keeper, row)
            changed.append(f"+{row.id}")
    if changed:
        log.info("periodic jobs reconciled: %s", ", ".join(changed))
    return changed


def _is(job: Any, at: datetime, row: Periodic | None) -> bool:
    if row is None or (job.func_name, job.meta.get("interval")) != (row.function, row.seconds):
        return False
    if row.seconds is not None:
        # Further ahead than its interval: the clock has been set back since it was added.
        return at - utc_now() <= timedelta(seconds=row.seconds) + LATE
    return row.at == at


def _fires(job: Any, at: datetime) -> bool:
    once = job.func_name in (DISPATCH, LANE) and "interval" not in job.meta
    return once and timedelta() <= utc_now() - at < LATE


def _remove(keeper: Scheduler, job: Any) -> None:
    keeper.cancel(job)
    # Another reconciliation may have deleted it between two commands of this one.
    with suppress(InvalidJobOperation):
        job.delete()


def _add(keeper: Scheduler, row: Periodic) -> None:
    first = row.at or utc_now() + timedelta(seconds=row.seconds or 0)
    keeper.schedule(
        # A naive UTC time is what rq-scheduler's own to_unix expects.
        first.replace(tzinfo=None),
        row.function,
        args=row.args,
        interval=row.seconds,
        id=row.id,
        # What has run must not let the next one of the same id expire.
        result_ttl=0 if row.args else FAILURE_TTL,
        timeout=-1,
    )
