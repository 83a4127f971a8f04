"""When a periodic job runs (S1, Configure Post Failure Notification Job; product.md 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain import cron as crons

UNITS = {
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
    "weeks": timedelta(weeks=1),
}
# A pass leaves a row behind, and a mail server that fails is asked once by each.
SHORTEST, LONGEST = timedelta(seconds=10), timedelta(weeks=52)
UTC_ZONE = "UTC"


@dataclass(frozen=True)
class Schedule:
    """An interval of `every_n` units, or a `cron` line in a `zone`; neither: never by itself.

    `since`: when a cron line came into force; what it named before is no run that was missed.
    """

    every_n: int | None
    every_unit: str | None
    cron: str | None = None
    zone: str | None = None
    since: datetime | None = None

    @property
    def interval(self) -> timedelta | None:
        """The time between two runs, or None where there is no such."""
        if self.every_n is None or self.every_unit is None:
            return None
        return self.every_n * UNITS[self.every_unit]

    @property
    def sentence(self) -> str:
        """When it runs, in words."""
        if self.cron is not None:
            return f"{crons.sentence(self.cron)} ({self.zone or UTC_ZONE})"
        if self.every_n is None or self.every_unit is None:
            return "Never by itself"
        if self.every_n == 1:
            return f"Every {self.every_unit[:-1]}"
        return f"Every {self.every_n:,} {self.every_unit}"

    def after(self, moment: datetime) -> datetime | None:
        """Return the run that follows one at `moment`, in UTC, or None for never."""
        if self.cron is not None:
            return crons.next_after(self.cron, self.zone or UTC_ZONE, moment)
        return None if self.interval is None else moment + self.interval


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

    The first pass is due at once, but for a cron line of which is known since when it is in force.
    Missed passes are not made up for: however many there were, one is due. A `last` well ahead of
    `now` was made by a clock that has been set back since: then a pass is due at once, too.
    """
    if schedule.cron is None and schedule.interval is None:
        return None
    if last is not None and last > now + SKEW:
        return now
    since = schedule.since if schedule.cron is not None else None
    known = [at for at in (last, since) if at is not None and at <= now + SKEW]
    return schedule.after(max(known)) if known else now


def upcoming(
    schedule: Schedule, last: datetime | None, now: datetime, number: int = 5
) -> list[datetime]:
    """Return the next runs, none before `now`; fewer than `number` where there are no more."""
    runs: list[datetime] = []
    due = next_run(schedule, last, now)
    while due is not None and len(runs) < number:
        runs.append(max(due, now))
        due = schedule.after(runs[-1])
    return runs
