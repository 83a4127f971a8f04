"""The courier: a pool of threads, each of which holds one lane and sends what is due in it."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from app import clock
from app.errors import StorageUnavailable, TocsinError
from app.failpoints import reach
from app.services import lane_work, lanes
from app.services.deliver.endpoint import Endpoint, endpoint
from app.services.deliver.manner import Job
from app.services.deliver.sending import LaneRun
from app.services.installation import Installation
from app.services.lane_work import Look
from app.services.lanes import MARGIN_SECONDS, Lease
from app.services.recovery import held_by

log = logging.getLogger(__name__)

LANES_AT_ONCE = 32
# Those that do not answer hold a thread for as long as their time-out; the others need some too.
FAILING_AT_ONCE = 24
FULL_SECONDS = 1.0
# Later than this very moment, so that clocks which differ a little do not make a busy loop.
SHORTEST_WAIT = 0.05


class Courier:
    """Sends for one worker process, whose id owns the lanes; its threads outlive a drain job."""

    def __init__(self, site: Installation, process_id: int) -> None:
        self._site, self._process_id = site, process_id
        self._pool = ThreadPoolExecutor(LANES_AT_ONCE, thread_name_prefix="lane")
        self._senders = ThreadPoolExecutor(LANES_AT_ONCE, thread_name_prefix="sender")
        self._busy: dict[int, bool] = {}
        self._later: dict[int, float] = {}
        self._guard = threading.Lock()
        self._places = threading.BoundedSemaphore(FAILING_AT_ONCE)
        self._stopping = threading.Event()
        self._left = threading.Event()
        self._tokens: set[str] = set()

    def serve(self, lane_id: int) -> None:
        """Let a thread send what is due in the lane; harmless when one does so already."""
        with self._guard:
            if self._stopping.is_set():
                return
            again = lane_id in self._busy
            # A wake-up that comes while the lane is being drained asks for one more look.
            self._busy[lane_id] = again
            if not again:
                self.call(lambda: self._work(lane_id))

    def serve_later(self) -> None:
        """Serve the lanes whose time has come: a round, a message's own time, a batch."""
        with self._guard:
            now = clock.monotonic()
            ripe = [lane_id for lane_id, when in self._later.items() if when <= now]
            for lane_id in ripe:
                del self._later[lane_id]
        for lane_id in ripe:
            self.serve(lane_id)

    def idle_seconds(self, most: float) -> float:
        """Return how long there is nothing to serve later, `most` seconds at the most."""
        with self._guard:
            first = min(self._later.values(), default=float("inf"))
        return min(max(first - clock.monotonic(), 0.0), most)

    def left_something(self) -> bool:
        """Whether the database was away for a thread since the last call: then sweep soon."""
        left = self._left.is_set()
        self._left.clear()
        return left

    def give_back_forgotten(self) -> None:
        """Give back the lanes that are ours only by their rows, as the database was away."""
        for lease in held_by(self._site, self._process_id):
            if lease.token not in self._tokens:
                lanes.give_back(self._site, lease)

    def call(self, work: Callable[[], None]) -> Future[None]:
        """Run `work` on a thread of the pool; an error is logged, and the sweep comes again."""
        return self._pool.submit(self._safely, work)

    @property
    def busy(self) -> bool:
        """Whether a thread holds a lane or looks for one."""
        with self._guard:
            return bool(self._busy)

    def stop(self) -> None:
        """Take nothing new, wait for what is being sent (bounded by its time-outs)."""
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._senders.shutdown(wait=True, cancel_futures=True)

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StorageUnavailable as error:
            self._left.set()
            log.warning("the work is left to the sweep: %s", error)
        except Exception:
            log.exception("a thread of the courier failed; the sweep comes again")

    def _work(self, lane_id: int) -> None:
        try:
            while self._drain(lane_id) or self._asked_again(lane_id):
                continue
        except BaseException:
            with self._guard:
                self._busy.pop(lane_id, None)
            raise

    def _asked_again(self, lane_id: int) -> bool:
        """Return whether a wake-up came meanwhile; without one the lane leaves the busy ones."""
        with self._guard:
            if self._busy.get(lane_id) and not self._stopping.is_set():
                self._busy[lane_id] = False
                return True
            self._busy.pop(lane_id, None)
            return False

    def _drain(self, lane_id: int) -> bool:
        """Own the lane while it has something due; return whether to look once more."""
        system = endpoint(self._site, lane_id)
        if system is None:
            return False
        found = self._look(lane_id)
        if not found.now:
            return False
        if not found.failing:
            return self._hold(lane_id, system)
        if not self._places.acquire(blocking=False):
            self._remind(lane_id, FULL_SECONDS)
            return False
        try:
            return self._hold(lane_id, system)
        finally:
            self._places.release()

    def _look(self, lane_id: int) -> Look:
        """Look whether the lane has something to do now; what comes later is remembered."""
        found = lane_work.look(self._site, lane_id)
        if not found.now and found.at is not None:
            self._remind(lane_id, (found.at - clock.utc_now()).total_seconds())
        return found

    def _remind(self, lane_id: int, seconds: float) -> None:
        with self._guard:
            self._later[lane_id] = clock.monotonic() + max(seconds, SHORTEST_WAIT)

    def _hold(self, lane_id: int, system: Endpoint) -> bool:
        token = secrets.token_hex(16)
        # Known from before it is stored until it was given back: what is not known is forgotten.
        self._tokens.add(token)
        try:
            return self._own(lane_id, system, token)
        finally:
            self._tokens.discard(token)

    def _own(self, lane_id: int, system: Endpoint, token: str) -> bool:
        seconds = system.longest + MARGIN_SECONDS
        lease = lanes.claim(self._site, lane_id, self._process_id, seconds, token)
        if lease is None:
            return False
        reach(4)
        try:
            well = self._send_all(lease, system)
        finally:
            reach(9)
            lanes.give_back(self._site, lease)
        # What came between the last look and giving back had its wake-up refused by our lease.
        return well and not self._stopping.is_set() and self._look(lane_id).now

    def _send_all(self, lease: Lease, system: Endpoint) -> bool:
        """Send batch after batch; return False when the rest is left to the sweep."""
        run = LaneRun(self._site, lease, system, self._process_id, self._senders)
        drained = False
        try:
            while not self._stopping.is_set() and run.goes_on:
                claimed = run.manner.take(self._site, run.lease)
                drained = not claimed
                if drained:
                    break
                reach(5)
                for jobs in _apart(run.manner.load(self._site, run.refreshed(), claimed)):
                    run.send(jobs, self._stopping)
            run.manner.settle(self._site, run.lease, drained=drained)
        except TocsinError as error:
            if isinstance(error, StorageUnavailable):
                self._left.set()
            log.warning("lane %s is left to the sweep: %s", lease.lane_id, error)
            return False
        finally:
            run.close()
        if run.rests:
            self._remind(lease.lane_id, run.rests)
        return not run.rests


def _apart(jobs: Sequence[Job]) -> list[Sequence[Job]]:
    """Return `jobs` in the parts that are sent one after another.

    What was under way when a worker ended goes last and alone: if it ends this one too, no other
    mail of the lane is taken for the culprit.
    """
    suspects = [job for job in jobs if job.claimed.lost_leases]
    if not suspects:
        return [jobs]
    return [[job for job in jobs if not job.claimed.lost_leases], *([job] for job in suspects)]
