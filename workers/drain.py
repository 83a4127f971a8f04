"""The drain: waits for wake-ups and hands lanes to the courier; carries sweep and watchdog too."""

from __future__ import annotations

import logging
import secrets
import threading

from redis import Redis
from redis.exceptions import RedisError

from app import clock
from app.errors import TocsinError
from app.failpoints import reach
from app.queueing import DRAIN, JOBS, RUNS, TESTS, WAKE_SET, queue
from app.rendering import pdf_process
from app.services import dispatch, housekeeping, job_work, processes, search_fill, timekeeping
from app.services.deliver import Courier, trials
from app.services.installation import Installation
from app.services.posts import expiry, settling
from app.services.sweep import sweep
from workers.schedule import FAILURE_TTL, reconcile, table
from workers.wakes import Wakes

log = logging.getLogger(__name__)

DRAIN_SECONDS = 20.0
SWEEP_SECONDS = 15.0
AGAIN_SECONDS = 1.0
BEAT_SECONDS = 10.0
# How long one wait for a wake-up may be: a stop or another job is noticed as soon.
WAIT_SECONDS = 1.0
# How often other jobs are looked for.
OTHERS_SECONDS = 0.1


class Drainer:
    """The one drain of a worker process; its courier's threads go on between two drain jobs."""

    def __init__(self, site: Installation, client: Redis) -> None:
        self.site, self._client = site, client
        self._wakes = Wakes(client)
        self._process_id = processes.register(site, "worker")
        self._courier = Courier(site, self._process_id)
        self._stopping = threading.Event()
        self._swept = self._beaten = self._asked = float("-inf")
        self._held = self._failed = False

    def drain(self) -> None:
        """Serve for 20 s, or less when another job waits; longer while Redis is away."""
        end = clock.monotonic() + DRAIN_SECONDS
        while not self._stopping.is_set():
            name = self._wait()
            self._serve(name)
            self._courier.serve_later()
            self._tend()
            if clock.monotonic() >= end or self._others_wait():
                if self._succeed():
                    return
                end = clock.monotonic() + WAIT_SECONDS

    def sweep(self) -> None:
        """Serve every lane that has work; free what the dead held, and what we hold no more."""
        self._courier.give_back_forgotten()
        for lane_id in sweep(self.site):
            self._courier.serve(lane_id)
        self._courier.call(self._run_passes)
        self._courier.call(self._run_jobs)
        self._courier.call(self._run_tests)
        self._courier.call(self._expire)
        self._courier.call(self._fill_search)
        self.roll_up()
        self.prune()

    def serve_lane(self, lane_id: int) -> None:
        """Serve one lane; harmless when nothing in it is due."""
        self._courier.serve(lane_id)

    def roll_up(self) -> None:
        """Let a thread roll up the counts of past hours, once an hour."""
        self._courier.call(lambda: housekeeping.roll_up_if_due(self.site))

    def prune(self) -> None:
        """Let a thread prune, once a night; what a stop cuts short is taken up again."""
        self._courier.call(self._prune)

    def stop(self) -> None:
        """Take nothing new from now on."""
        self._stopping.set()

    def finish(self) -> None:
        """Wait for what is being sent."""
        self._courier.stop()
        pdf_process.maker().close()

    def _wait(self) -> str | None:
        """Wait for a wake-up; while Redis is away, just wait and look into the database."""
        try:
            return self._wakes.next(self._courier.idle_seconds(WAIT_SECONDS))
        except (RedisError, OSError) as error:
            log.warning("Redis is away, looking into the database instead: %s", error)
            self._stopping.wait(WAIT_SECONDS)
            self._swept = float("-inf")
            return None

    def _serve(self, name: str | None) -> None:
        if name == RUNS:
            self._courier.call(self._run_passes)
        elif name == JOBS:
            self._courier.call(self._run_jobs)
        elif name == TESTS:
            self._courier.call(self._run_tests)
        elif name is not None and name.isdigit():
            self._courier.serve(int(name))

    def _run_passes(self) -> None:
        dispatch.request_if_due(self.site)
        for lane_id in dispatch.run_queued(self.site, self._process_id):
            self._courier.serve(lane_id)

    def _run_jobs(self) -> None:
        job_work.run_queued(self.site, self._process_id, self._goes_on)

    def _prune(self) -> None:
        housekeeping.prune_if_due(self.site, self._process_id, self._goes_on)

    def _expire(self) -> None:
        expiry.expire_all(self.site)
        settling.calm(self.site)

    def _fill_search(self) -> None:
        search_fill.fill(self.site, self._goes_on)

    def _run_tests(self) -> None:
        trials.run(self.site, self._process_id, self._goes_on)

    def _goes_on(self) -> bool:
        return not self._stopping.is_set()

    def _tend(self) -> None:
        """Sweep, watch over the scheduler's table and show that this worker lives, each in time."""
        now = clock.monotonic()
        try:
            # A clock that was set is noticed at once, and so is the life of this worker by it.
            if clock.unsteady() is not self._held or now - self._beaten >= BEAT_SECONDS:
                self._held = not timekeeping.watch(self.site)
                processes.beat(self.site, self._process_id)
                self._beaten = now
            if self._sweep_is_due(now):
                self._swept, self._failed = now, True
                self.sweep()
                self._failed = False
                self._watch()
        except TocsinError as error:
            log.warning("the drain goes on without the database: %s", error)

    def _sweep_is_due(self, now: float) -> bool:
        """Say whether it is time: soon, where the database was away for a sweep or for a lane."""
        since = now - self._swept
        if since < AGAIN_SECONDS:
            return False
        return since >= SWEEP_SECONDS or self._failed or self._courier.left_something()

    def _watch(self) -> None:
        """Mend in Redis what a killed scheduler or a FLUSHALL has lost."""
        try:
            # A worker that died between taking a wake-up and unmarking it left its mark behind.
            self._client.delete(WAKE_SET)
            reconcile(self._client, table(self.site))
        except (RedisError, OSError) as error:
            log.warning("Redis is away, its table is mended later: %s", error)

    def _others_wait(self) -> bool:
        now = clock.monotonic()
        if now - self._asked < OTHERS_SECONDS:
            return False
        self._asked = now
        try:
            waiting = queue(self._client).get_job_ids()
        except (RedisError, OSError):
            return False
        return any(not _is_drain(job_id) for job_id in waiting)

    def _succeed(self) -> bool:
        """Queue the next drain, unless one waits; return False while Redis is away."""
        reach(12)
        try:
            return queue_drain(self._client)
        except (RedisError, OSError):
            return False


def queue_drain(client: Redis) -> bool:
    """Queue a drain unless one waits already; return True."""
    jobs = queue(client)
    if not any(_is_drain(job_id) for job_id in jobs.get_job_ids()):
        jobs.enqueue_call(
            DRAIN,
            job_id=f"drain-{secrets.token_hex(8)}",
            timeout=-1,
            result_ttl=0,
            failure_ttl=FAILURE_TTL,
        )
    return True


def _is_drain(job_id: str) -> bool:
    return job_id.startswith("drain")


_current: list[Drainer] = []


def bind(drainer: Drainer) -> None:
    """Make `drainer` the one that this process's jobs use."""
    _current[:] = [drainer]


def current() -> Drainer:
    """Return this process's drainer."""
    return _current[0]
