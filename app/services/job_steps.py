"""How every kind of job is done: at once where it is small, else by a worker; step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.clock import monotonic, sleep
from app.domain.kinds import JobKind
from app.errors import StorageUnavailable
from app.failpoints import reach
from app.queueing import JOBS
from app.services import jobs
from app.services.bulk_rows import REST_SECONDS
from app.services.installation import Installation
from app.services.jobs import Open
from app.services.named import Change

# So many rows, and for so long, are done while the caller waits.
MOST_AT_ONCE, SECONDS = 50, 1.0


def _unaudited(connection: Connection, job: Open) -> None:
    """Write no entry for the whole job: each of its rows has one."""


@dataclass(frozen=True)
class Work:
    """What a kind of job does.

    `step` does its next rows, with the note that they are done in the same transaction, and returns
    whether more are left; False also where the job has ended meanwhile. `audit` writes the entry
    for the whole job; called in the transaction that ends it.
    """

    step: Callable[[Installation, Open], bool]
    audit: Callable[[Connection, Open], None] = _unaudited

    def start(  # noqa: PLR0913, PLR0917 - what a job is made of
        self,
        site: Installation,
        actor: str,
        kind: JobKind,
        request: Mapping[str, Any],
        keys: Sequence[str],
        until: float,
    ) -> int | None:
        """Make a job of `keys` and return its id; None: there are none.

        Up to 50 are done when this returns, unless it is `until` (monotonic) before; otherwise a
        worker does them.
        """
        if not keys:
            return None
        job = jobs.queue(site, kind, actor, request, keys)
        if len(keys) > MOST_AT_ONCE or not self._done(site, job, until):
            site.alarm.wake([JOBS])
        return job.id

    def _done(self, site: Installation, job: Open, until: float) -> bool:
        """Do the job here and now; False: it takes too long, or the database is away."""
        try:
            return self.off(site, job, lambda: monotonic() < until)
        except StorageUnavailable:
            return False

    def off(self, site: Installation, job: Open, goes_on: Callable[[], bool]) -> bool:
        """Do the rows of a job; returns whether it has ended.

        Stops before a step when not `goes_on`. Raises StorageUnavailable; doing it again goes on.
        """
        while goes_on():
            left = self.step(site, job)
            reach(16)
            if not left:
                return True
            sleep(REST_SECONDS)
        return False

    def give_up(self, job_id: int, error: str, change: Change) -> None:
        """End a job that cannot go on, with a sentence, in the transaction of `change`."""
        connection = change.session.connection()
        job = jobs.opened(connection, job_id)
        if job is not None:
            jobs.fail(connection, job, error)
            self.audit(connection, job)
