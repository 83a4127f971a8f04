"""An installation in simulated time: what its processes do by the clock happens at each step.

The real services over the real database; only the wall clock is the test's, and the processes are
one: it sweeps, runs the passes that are due, sends, rolls up and prunes.
"""

from __future__ import annotations

import email
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from app.clock import utc_now
from app.models import Delivery, Integration
from app.services import dispatch, housekeeping, invariants, processes, timekeeping
from app.services.installation import Installation
from app.services.sweep import sweep
from tests.servers.sink import Sink
from tests.services.makers import put_integration, put_system, register
from tests.services.spine import Post
from tests.simulated import Simulated

START = datetime(2031, 3, 1, tzinfo=UTC)
DOWN = {"CONNECT": "421 4.3.2 Service not available"}


@dataclass(frozen=True)
class Arrived:
    """A mail at its mail server: when (hours since the start), what it tells, and of what."""

    hour: float
    kind: str
    integration: str


class World:
    """Time, as far as it has passed, and what came of it."""

    def __init__(self, site: Installation, simulated: Simulated) -> None:
        self.site, self.simulated = site, simulated
        simulated.reaches(START)
        self.post = Post(site)
        self.arrived: list[Arrived] = []
        self.hours: list[float] = []
        self._sinks: list[tuple[Sink, int]] = []

    @property
    def hour(self) -> float:
        """How many hours have passed."""
        return (utc_now() - START) / timedelta(hours=1)

    def mail_system(self, name: str, sink: Sink) -> None:
        """Make a mail system of that mail server."""
        options = {
            "server": "127.0.0.1",
            "port": sink.port,
            "encryption": "none",
            "authenticationRequired": False,
            "senderEmail": "tocsin@corp.example",
            "timeout": 3,
        }
        put_system(self.site, name, options=options)
        self._sinks.append((sink, 0))

    def watch(self, key: str, system: str, **settings: Any) -> None:
        """Make an integration of one direction and register it; `settings` of global failures."""
        put_integration(self.site, key, bidirectional=False)
        forward = {"recipients": [f"{key}@corp.example"], "global": settings}
        register(self.site, key, system, forward=forward)

    def until(
        self, hour: float, step: float, each: Callable[[float], None] = lambda _: None
    ) -> None:
        """Let time pass up to `hour` in steps; `each` is told every hour that is reached."""
        while self.hour < hour:
            self.simulated.passes(hours=step)
            each(self.hour)
            self.work()

    def work(self) -> None:
        """Do what a worker does by itself."""
        self.hours.append(self.hour)
        assert timekeeping.watch(self.site), "time has passed, it has not jumped"
        processes.beat(self.site, self.post.process_id)
        sweep(self.site)
        dispatch.run_queued(self.site, self.post.process_id)
        self.post.serve()
        housekeeping.roll_up_if_due(self.site)
        housekeeping.prune_if_due(self.site, self.post.process_id)
        self._collect()

    def _collect(self) -> None:
        for place, (sink, seen) in enumerate(self._sinks):
            self._sinks[place] = (sink, len(sink.mails))
            for mail in sink.mails[seen:]:
                self.arrived.append(self._told(email.message_from_bytes(mail.body)))

    def _told(self, mail: Any) -> Arrived:
        query = (
            select(Delivery.kind, Integration.key)
            .join(Integration, Integration.id == Delivery.integration_id)
            .where(Delivery.id == int(mail["X-Tocsin-Delivery"]))
        )
        with self.site.store.reading() as connection:
            kind, key = connection.execute(query).one()
        return Arrived(self.hour, str(kind), key)

    def check(self) -> None:
        """Fail when an invariant is broken."""
        assert invariants.check(self.site) == []
