"""How many messages a service takes in a while, and when the next one may go (channels.md)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

# At most so many messages in so many seconds; each window holds by itself.
Windows = Sequence[tuple[int, float]]


def rest(sent: Sequence[datetime], windows: Windows, now: datetime) -> timedelta:
    """Return how long to wait before the next message; nothing: it may go now.

    `sent` are the times of the messages before it, oldest first, of the longest window at least.
    """
    found = timedelta()
    for most, seconds in windows:
        if len(sent) >= most:
            found = max(found, sent[-most] + timedelta(seconds=seconds) - now)
    return found


def remembered(sent: Sequence[datetime], windows: Windows, now: datetime) -> list[datetime]:
    """Return those of `sent` that still count; what a clock put into the future does not."""
    longest = timedelta(seconds=max(seconds for _, seconds in windows))
    return sorted(at for at in sent if now - longest < at <= now)
