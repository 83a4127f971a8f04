"""One ownership of a lane: its jobs, sent over one to four kept connections."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import replace
from functools import partial

from app import clock
from app.channels.base import ChannelError, Receipt, Session
from app.domain.kinds import LaneState, Policy
from app.errors import DecryptionFailed, StorageUnavailable
from app.failpoints import reach
from app.services.deliver.ended import Ended
from app.services.deliver.endpoint import Endpoint, endpoint
from app.services.deliver.mails import Mails
from app.services.deliver.manner import Job, Manner
from app.services.deliver.once import send_once
from app.services.deliver.steps import Start, Step, Stored, commit, keep_trying
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
        self._senders = senders
        self._most = MOST_CONNECTIONS
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


class Sender:
    """One connection of a lane. The first one speaks for the endpoint; the others only help."""

    def __init__(self, run: LaneRun, *, first: bool) -> None:
        self._run, self._is_first = run, first
        self._session: Session | None = None
        self._pending: Ended | None = None

    def work(self, stopping: threading.Event) -> None:
        """Send job after job; the verdict of each is stored with the start of the next."""
        try:
            if not self._is_first and not self._helps():
                return
            while (job := self._run.next_job(stopping)) is not None:
                if not self._one(job, stopping):
                    break
        finally:
            self._store_last(stopping)

    def _helps(self) -> bool:
        """Connect before any mail is at stake: a server may refuse a further connection."""
        try:
            self._connected()
        except (ChannelError, DecryptionFailed):
            return False
        return True

    def _one(self, job: Job, stopping: threading.Event) -> bool:
        """Send one job; return whether this connection goes on."""
        manner, site = self._run.manner, self._run.site
        job = manner.fresh(site, self._run.system, job)
        if not job.sendable:
            manner.end_without_sending(site, self._run.lease, job)
            return True
        if job.traced:
            # The verdict before it must not be lost while the PDF is made.
            self._store_last(stopping)
            made = manner.drawn(site, job, self._run.keep)
            if made is None:
                return False
            job = made
        longest = self._run.system.longest + MARGIN_SECONDS
        start = Start(job.claimed.id, longest, self._run.process_id, job.message_id)
        stored = self._run.step(self._pending, start)
        self._pending = None
        if stored.number is None:
            return stored.owned
        reach(6)
        self._pending = self._try(job, stored.number)
        reach(8)
        return self._run.after(self._pending)

    def _try(self, job: Job, number: int) -> Ended:
        began = clock.monotonic()
        # Whether a success ends the retry is known before: it must begin after the failure.
        probe = self._run.lease.state is LaneState.RETRYING
        sent = send_once(job, self._connected, self.close, self._run.keep)
        took = round((clock.monotonic() - began) * 1000)
        facts = {"number": number, "duration_ms": took, "stands": self._is_first, "probe": probe}
        return job.ended(sent, **facts)

    def _connected(self) -> Session:
        if self._session is None:
            system = self._run.system
            self._session = system.channel.connect(system.options, system.secrets(self._run.site))
        return self._session

    def _store_last(self, stopping: threading.Event) -> None:
        if self._pending is not None:
            keep_trying(partial(self._run.step, self._pending, None), stopping)
            self._pending = None

    def close(self) -> None:
        """End the connection, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
