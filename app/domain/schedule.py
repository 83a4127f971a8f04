"""When a periodic job runs (S1, Configure Post Failure Notification Job; product.md 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

UNITS = {
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
    "weeks": timedelta(weeks=1),
}


@dataclass(frozen=True)
class Schedule:
    """An interval of `every_n` units; both None: never by itself."""

    every_n: int | None
    every_unit: str | None

    @property
    def interval(self) -> timedelta | None:
        """The time between two runs, or None where it never runs by itself."""
        if self.every_n is None or self.every_unit is None:
            return None
        return self.every_n * UNITS[self.every_unit]


# The clocks of two machines may differ by as much.
SKEW = timedelta(minutes=1)
ON_DEMAND = "On Demand"
DEFAULT = "30 Minute Schedule"
BUILT_IN = {
    "30 Second Schedule": Schedule(30, "seconds"),
    "1 Minute Schedule": Schedule(1, "minutes"),
    "5 Minute Schedule": Schedule(5, "minutes"),
    DEFAULT: Schedule(30, "minutes"),
    "10 Minute Schedule": Schedule(10, "minutes"),
    "24 Hour Schedule": Schedule(24, "hours"),
    ON_DEMAND: Schedule(None, None),
}


def next_run(schedule: Schedule, last: datetime | None, now: datetime) -> datetime | None:
    """Return when the next pass is due after `last`, or None for never.

    The first pass is due at once. Missed passes are not made up for. A `last` well ahead of `now`
    was made by a clock that has been set back since: then a pass is due at once, too.
    """
    interval = schedule.interval
    if interval is None:
        return None
    if last is None or last > now + SKEW:
        return now
    return last + interval
