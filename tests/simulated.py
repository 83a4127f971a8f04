"""A wall clock for tests in one process: it stands still, and moves when the test says so."""

from __future__ import annotations

from datetime import datetime, timedelta

from app import clock


class Simulated:
    """The clock that `app.clock` shows; its monotonic time goes on as ever."""

    def __init__(self) -> None:
        self.now = clock.utc_now()
        clock.simulate(lambda _real: self.now)

    def passes(self, **span: float) -> datetime:
        """Let time go by; returns the new time."""
        return self.reaches(self.now + timedelta(**span))

    def reaches(self, moment: datetime) -> datetime:
        """Let time go by until `moment`; ten minutes end what holds after a jump."""
        clock.elapse((moment - self.now).total_seconds())
        self.now = moment
        return moment

    def jumps(self, **span: float) -> datetime:
        """Set the clock, as a person or a time server does; returns the new time."""
        self.now += timedelta(**span)
        return self.now
