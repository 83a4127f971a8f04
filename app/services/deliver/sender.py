"""One kept connection of a lane, over which job after job is sent."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from app import clock
from app.channels.base import ChannelError, Session
from app.domain.kinds import LaneState
from app.errors import DecryptionFailed
from app.failpoints import reach
from app.services.deliver.ended import Ended
from app.services.deliver.manner import Job
from app.services.deliver.once import send_once
from app.services.deliver.steps import Start, keep_trying
from app.services.lanes import MARGIN_SECONDS

if TYPE_CHECKING:
    from app.services.deliver.sending import LaneRun

# A lane that waits for its system's turn any longer is left meanwhile.
LONGEST_REST = 2.0


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
        if not self._turn(stopping):
            return False
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

    def _turn(self, stopping: threading.Event) -> bool:
        """Wait for the turn of a system that is paced; False where that takes long."""
        run, end = self._run, clock.monotonic() + LONGEST_REST
        while seconds := run.rest():
            # The verdict before it must not wait as well.
            self._store_last(stopping)
            late = clock.monotonic() + seconds > end
            if late or stopping.wait(seconds) or not run.keep():
                run.leave(seconds)
                return False
        return True

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
