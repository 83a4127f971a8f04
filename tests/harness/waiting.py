"""Bounded waits: nothing here sleeps for correctness, it only looks again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app import clock

# Generous, since a busy machine is slow; a test that passes waits only as long as it must.
PATIENCE = 45.0
T = TypeVar("T")


def eventually(what: str, look: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Return the first true answer of `look`; fails the test after `seconds`."""
    deadline = clock.monotonic() + seconds
    while not (found := look()):
        assert clock.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        clock.sleep(0.03)
    return found


def steadily(what: str, look: Callable[[], object], seconds: float) -> None:
    """Fail as soon as `look` is not true any more within `seconds`: what must not happen."""
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        assert look(), f"{what} did not last {seconds:.0f} s"
        clock.sleep(0.05)


def grows(what: str, size: Callable[[], int], by: int) -> None:
    """Wait until `size` is larger than now by so much."""
    wanted = size() + by
    eventually(f"{by} more {what}", lambda: size() >= wanted)
