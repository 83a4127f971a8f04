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
from app.domain.kinds import LaneState
from app.errors import DecryptionFailed, StorageUnavailable
from app.failpoints import reach
from app.services.deliver.content import Endpoint, Job, endpoint, fresh
from app.services.deliver.ended import Ended
from app.services.deliver.once import send_once
from app.services.deliver.steps import Start, Step, Stored, commit, keep_trying
from app.services.deliver.traces import with_pdf
from app.services.deliver.unsent import end_without_sending
from app.services.installation import Installation
from app.services.lanes import MARGIN_SECONDS, Lease

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 4
JOBS_A_CONNECTION = 8
RENEW_SECONDS = 5.0


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
        self.goes_on = True
        self._senders = senders
        self._most = MOST_CONNECTIONS
        self._first = Sender(self, first=True)
        self._helpers: list[Sender] = []
        self._jobs: deque[Job] = deque()
        self._renewed = clock.monotonic()

    def refreshed(self) -> Endpoint:
        """Read the system anew for the next batch; a change ends the connections to the old one."""
        current = endpoint(self.site, self.lease.system_id)
        if (current.options, current.sealed) != (self.system.options, self.system.sealed):
            self.close()
        self.system = current
        self.lease = replace(self.lease, seconds=current.longest + MARGIN_SECONDS)
        self._renewed = float("-inf")
        return current

    def send(self, jobs: Sequence[Job], stopping: threading.Event) -> None:
        """Send `jobs`; what is left when the endpoint fails is given back with the lane."""
        self._jobs.extend(jobs)
        helpers = self._helping(len(jobs))
        futures = [self._senders.submit(one.work, stopping) for one in helpers]
        try:
            self._first.work(stopping)
        finally:
            self._wait(futures)

    def _helping(self, jobs: int) -> list[Sender]:
        """Return the further connections that so many jobs are worth; kept from batch to batch."""
        normal = self.lease.state is not LaneState.RETRYING
        more = min(self._most - 1, jobs // JOBS_A_CONNECTION) if normal else 0
        self._helpers += [Sender(self, first=False) for _ in range(more - len(self._helpers))]
        return self._helpers[:more]

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

    def after(self, ended: Ended) -> None:
        """Draw from the end of an attempt what it means for the lane."""
        outcome = ended.outcome
        if isinstance(outcome, ChannelError) and outcome.endpoint:
            self._most = 1
            self.goes_on = self.goes_on and not ended.stands
        elif isinstance(outcome, Receipt) and self.lease.state is LaneState.RETRYING:
            accepted = any(verdict.state == "accepted" for verdict in outcome.recipients)
            if accepted:
                self.lease = replace(self.lease, state=LaneState.NORMAL)
            else:
                self.goes_on = False

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
        job = fresh(self._run.site, self._run.system, job)
        if job.mail is None or not job.asked:
            end_without_sending(self._run.site, self._run.lease, job)
            return True
        if job.traced:
            # The verdict before it must not be lost while the PDF is made.
            self._store_last(stopping)
            made = with_pdf(self._run.site, job, self._run.keep)
            if made is None:
                return False
            job = made
        assert job.mail is not None  # noqa: S101 - as above
        start = Start(
            job.claimed.id,
            self._run.system.longest + MARGIN_SECONDS,
            self._run.process_id,
            job.mail.message_id,
        )
        stored = self._run.step(self._pending, start)
        self._pending = None
        if stored.number is None:
            return stored.owned
        reach(6)
        self._pending = self._try(job, stored.number)
        reach(8)
        self._run.after(self._pending)
        endpoint_failed = (
            isinstance(self._pending.outcome, ChannelError) and self._pending.outcome.endpoint
        )
        return not endpoint_failed

    def _try(self, job: Job, number: int) -> Ended:
        began = clock.monotonic()
        sent = send_once(job, self._connected, self.close, self._run.keep)
        return Ended(
            delivery_id=job.claimed.id,
            integration_id=job.claimed.integration_id,
            number=number,
            duration_ms=round((clock.monotonic() - began) * 1000),
            outcome=sent.outcome,
            subject=sent.subject,
            request=sent.request,
            roles=job.roles,
            known=job.known,
            readdressed=job.readdressed,
            stands=self._is_first,
            probe=self._run.lease.state is LaneState.RETRYING,
            unreadable=sent.unreadable,
        )

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
