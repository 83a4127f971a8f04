"""One ownership of a lane: its jobs, sent over one to four kept connections."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import replace

from app import clock
from app.channels.base import ChannelError, Receipt
from app.domain.kinds import LaneState, Policy
from app.errors import StorageUnavailable
from app.services.deliver import pacing
from app.services.deliver.ended import Ended
from app.services.deliver.endpoint import Endpoint, endpoint
from app.services.deliver.mails import Mails
from app.services.deliver.manner import Job, Manner
from app.services.deliver.sender import Sender
from app.services.deliver.steps import Start, Step, Stored, commit
from app.services.installation import Installation
from app.services.lanes import MARGIN_SECONDS, Lease
from app.services.posts.manner import Posts

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 4
JOBS_A_CONNECTION = 8
RENEW_SECONDS = 5.0
_MAILS, _POSTS = Mails(), Posts()


class LaneRun:
    """Sends the jobs of a lane that is ours; knows when the lane must be left alone."""

    def __init__(
        self,
        site: Installation,
        lease: Lease,
        system: Endpoint,
        process_id: int,
        senders: Executor,
    ) -> None:
        self.site, self.lease, self.system, self.process_id = site, lease, system, process_id
        self.manner: Manner = _MAILS if lease.row is None else _POSTS
        self.goes_on = True
        # How long the lane is left alone, as its system takes no more messages for now.
        self.rests = 0.0
        self._senders = senders
        self._most = 1 if system.windows else MOST_CONNECTIONS
        self._taken = 0
        self._first = Sender(self, first=True)
        self._helpers: list[Sender] = []
        self._jobs: deque[Job] = deque()
        self._renewed = clock.monotonic()

    def refreshed(self) -> Endpoint:
        """Read the system anew for the next batch; a change ends the connections to the old one."""
        current = endpoint(self.site, self.lease.lane_id) or self.system
        if (current.options, current.sealed) != (self.system.options, self.system.sealed):
            self.close()
        self.system = current
        self.lease = replace(self.lease, seconds=current.longest + MARGIN_SECONDS)
        self._renewed = float("-inf")
        return current

    def send(self, jobs: Sequence[Job], stopping: threading.Event) -> None:
        """Send `jobs`; what is left when the endpoint fails is given back with the lane.

        A flush begins with one connection: a few messages go over it before there are more.
        """
        while self.lease.state is LaneState.FLUSHING and self._connections() < self._most and jobs:
            some = self._connections() * JOBS_A_CONNECTION
            self._send(jobs[:some], stopping)
            jobs = jobs[some:]
            if not self.goes_on or stopping.is_set():
                return
        self._send(jobs, stopping)

    def _send(self, jobs: Sequence[Job], stopping: threading.Event) -> None:
        self._jobs.extend(jobs)
        helpers = self._helping(len(jobs))
        futures = [self._senders.submit(one.work, stopping) for one in helpers]
        try:
            self._first.work(stopping)
        finally:
            self._wait(futures)

    def _helping(self, jobs: int) -> list[Sender]:
        """Return the further connections that so many jobs are worth; kept from batch to batch."""
        more = min(self._connections() - 1, jobs // JOBS_A_CONNECTION)
        self._helpers += [Sender(self, first=False) for _ in range(more - len(self._helpers))]
        return self._helpers[:more]

    def _connections(self) -> int:
        """Return how many connections may be open: a flush begins with one, and grows."""
        if self.lease.row is None:
            return 1 if self.lease.state is LaneState.RETRYING else self._most
        if self.lease.blocked:
            return 1
        if self.lease.state is LaneState.FLUSHING:
            return min(self._most, 1 + self._taken // JOBS_A_CONNECTION)
        return self._most

    def _wait(self, futures: list[Future[None]]) -> None:
        """Wait for the other connections, keeping the lane while they finish what they send."""
        while futures and wait(futures, timeout=RENEW_SECONDS).not_done:
            try:
                self.step(None, None)
            except StorageUnavailable as error:
                # The lane is not left while somebody sends in it.
                log.warning("lane %s cannot be renewed: %s", self.lease.lane_id, error)
                self.goes_on = False
        for future in futures:
            future.result()

    def next_job(self, stopping: threading.Event) -> Job | None:
        """Return the next job, or None when this ownership ends."""
        if stopping.is_set() or not self.goes_on:
            return None
        try:
            return self._jobs.popleft()
        except IndexError:
            return None

    def step(self, ended: Ended | None, start: Start | None) -> Stored:
        """Store a verdict and a start in one commit; the lane's lease is renewed now and then."""
        due = clock.monotonic() - self._renewed > RENEW_SECONDS
        stored = commit(self.site, Step(self.lease, ended, start, renew=due))
        if due:
            self._renewed = clock.monotonic()
        self.goes_on = self.goes_on and stored.owned
        return stored

    def rest(self) -> float:
        """Take the system's next turn, and return 0; else the seconds until there is one."""
        windows = self.system.windows
        return pacing.reserve(self.site, self.system.id, windows) if windows else 0.0

    def leave(self, seconds: float) -> None:
        """Leave the lane for a while; what is not sent is given back with it."""
        self.goes_on, self.rests = False, seconds

    def keep(self) -> bool:
        """Renew the lane while nothing is stored; returns whether sending goes on."""
        self._renewed = float("-inf")
        self.step(None, None)
        return self.goes_on

    def after(self, ended: Ended) -> bool:
        """Draw from the end of an attempt what it means for the lane; returns whether it went on.

        Where it goes on after a failure, so does this connection, unless its end failed.
        """
        outcome = ended.outcome
        failed = isinstance(outcome, ChannelError) and outcome.endpoint
        if failed and self.lease.policy is not Policy.NONE:
            self._most = 1
        self._taken += isinstance(outcome, Receipt)
        self.lease, goes_on = self.manner.goes_on(self.lease, ended)
        self.goes_on = self.goes_on and goes_on
        return not failed or self.lease.policy is Policy.NONE

    def close(self) -> None:
        """End the kept connections."""
        for sender in (self._first, *self._helpers):
            sender.close()
