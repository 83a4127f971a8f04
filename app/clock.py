"""The only reader of clocks: wall time in UTC, monotonic time for time-outs, and sleeping.

The wall clock may jump. For ten minutes after a jump was noticed it is `unsteady`: nothing expires
and nothing is pruned meanwhile, and sending goes on (delivery.md, Clocks).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
JUMP_SECONDS = 60.0
HOLD_SECONDS = 600.0
_MICROSECOND = timedelta(microseconds=1)
# How often a file that simulates the clock is read again.
_REREAD_SECONDS = 0.05

Sight = Callable[[datetime], datetime]

_simulated: Sight | None = None
# Seconds that a simulation let pass, on both clocks.
_elapsed = 0.0


def utc_now() -> datetime:
    """Return the wall-clock time, aware, in UTC."""
    real = datetime.now(UTC)
    return real if _simulated is None else _simulated(real)


def monotonic() -> float:
    """Return seconds that never jump; for time-outs and durations."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Sleep for `seconds`."""
    time.sleep(seconds)


def to_micros(moment: datetime) -> int:
    """Return microseconds since 1970 of an aware `moment`; raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return (moment - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC time of `micros` microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


def ahead() -> float:
    """Return by how many seconds the wall clock is ahead of the monotonic one.

    The same in all processes of one boot of a machine, until the wall clock is set.
    """
    while True:
        before, wall, after = monotonic(), utc_now(), monotonic()
        # A process that was frozen between two looks has not seen a jump.
        if after - before < 1:
            return wall.timestamp() - before - _elapsed


def steady() -> float:
    """Return seconds that never jump, those that a simulation let pass included."""
    return monotonic() + _elapsed


class _Watch:
    """Compares the two clocks at each look; one per process, inherited over a fork."""

    def __init__(self) -> None:
        self.ahead, self.held_until = ahead(), float("-inf")

    def look(self) -> None:
        """Hold everything for ten minutes when the wall clock has jumped since the last look."""
        now = ahead()
        if abs(now - self.ahead) > JUMP_SECONDS:
            self.hold(steady() + HOLD_SECONDS)
        self.ahead = now

    def hold(self, until: float) -> None:
        self.held_until = max(self.held_until, until)


_watch = _Watch()


def unsteady() -> bool:
    """Return whether the wall clock has jumped within the last ten minutes; looks at it, too."""
    _watch.look()
    return steady() < _watch.held_until


def hold(until: float) -> None:
    """Count the wall clock as unsteady up to that `steady` time: another has noticed a jump."""
    _watch.hold(until)


def settle() -> None:
    """Take the wall clock as it is now, and hold nothing, as a new process does. For tests."""
    global _watch  # noqa: PLW0603 - one clock per process
    _watch = _Watch()


def simulate(sight: Sight | None) -> None:
    """Show the wall clock as `sight` makes it of the real time; None: as it is. For tests."""
    global _simulated, _elapsed
    _simulated, _elapsed = sight, 0.0
    settle()


def elapse(seconds: float) -> None:
    """Count `seconds`, by which a simulated clock has moved on, as passed: it did not jump."""
    global _elapsed  # noqa: PLW0603 - one clock per process
    _elapsed += seconds


class OffsetFile:
    """A wall clock that is off by the seconds that a file holds; it is looked at now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset, self._until = timedelta(0), float("-inf")

    def __call__(self, real: datetime) -> datetime:
        """Return `real`, with the offset; one that cannot be read leaves it where it was."""
        now = monotonic()
        if now >= self._until:
            self._until = now + _REREAD_SECONDS
            try:
                self._offset = timedelta(seconds=float(self._path.read_text(encoding="ascii")))
            except (OSError, ValueError, OverflowError):
                return real + self._offset
        return real + self._offset
