"""The only reader of clocks: wall time in UTC, monotonic time for time-outs, and sleeping."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def utc_now() -> datetime:
    """Return the wall-clock time, aware, in UTC."""
    return datetime.now(UTC)


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
