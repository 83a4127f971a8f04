"""The Overview: the figures of the last day, and the series of its chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select

from app.domain import schedule as schedules
from app.models import DispatchRun, Integration, Registration
from app.services import dispatch, preferences, waiting
from app.services.counts import hour_of
from app.services.installation import Installation
from app.services.reading.counts import DAY, HOUR, sums

Span = Literal["24h", "7d", "30d"]
_GLOBAL, _PROCESSING = "failures.global", "failures.processing"
_DELIVERED, _DEAD = "deliveries.delivered", "deliveries.dead"
_STEPS = {"24h": (24, HOUR), "7d": (28, timedelta(hours=6)), "30d": (30, DAY)}


@dataclass(frozen=True)
class LastRun:
    """The last dispatch pass that ended."""

    id: int
    finished_at: datetime
    seconds: float
    summary: str


@dataclass(frozen=True)
class Figures:
    """What the Overview counts: days are 24 whole hours, the current one included."""

    failures: int
    failures_before: int
    delivered: int
    delivered_before: int
    dead: int
    dead_before: int
    waiting: int
    registered: int
    integrations: int
    last_run: LastRun | None
    next_run: datetime | None
    paused: bool


@dataclass(frozen=True)
class Bucket:
    """What was reported from `start` to `end`."""

    start: datetime
    end: datetime
    error: int
    warning: int

    @property
    def total(self) -> int:
        """All failures of the bucket."""
        return self.error + self.warning


@dataclass(frozen=True)
class Series:
    """The buckets of a span, oldest first, to be shown in `zone`."""

    span: Span
    zone: ZoneInfo
    buckets: tuple[Bucket, ...]


def figures(site: Installation, now: datetime) -> Figures:
    """Return the figures of the last 24 h and of the 24 h before; reads only."""
    until = hour_of(now) + HOUR
    names = (_GLOBAL, _PROCESSING, _DELIVERED, _DEAD)
    days = sums(site, names, until - 2 * DAY, until, DAY)
    active = select(func.count()).select_from(Registration).where(Registration.active)
    with site.store.reading() as connection:
        left = waiting.everywhere(connection)
        registered = connection.scalar(active)
        integrations = connection.scalar(select(func.count()).select_from(Integration))
        ended = connection.execute(_last()).first()
        schedule = dispatch.current_schedule(connection)
        due = schedules.next_run(schedule, dispatch.last_run(connection), now)
        paused = preferences.load(connection).paused
    before, last = (days[_GLOBAL][day] + days[_PROCESSING][day] for day in (0, 1))
    return Figures(
        failures=last,
        failures_before=before,
        delivered=days[_DELIVERED][1],
        delivered_before=days[_DELIVERED][0],
        dead=days[_DEAD][1],
        dead_before=days[_DEAD][0],
        waiting=left.count,
        registered=registered or 0,
        integrations=integrations or 0,
        last_run=_run(*ended) if ended else None,
        next_run=None if due is None else max(due, now),
        paused=paused,
    )


def series(site: Installation, span: Span, zone: ZoneInfo, now: datetime) -> Series:
    """Return the failures of a span: by hour (24h), by 6 hours (7d), by day of `zone` (30d)."""
    edges = _edges(span, zone, now)
    found = sums(site, (_GLOBAL, _PROCESSING), edges[0], edges[-1], HOUR)
    buckets = []
    for start, end in pairwise(edges):
        first, last = (int((edge - edges[0]) / HOUR) for edge in (start, end))
        error, warning = (sum(found[name][first:last]) for name in (_GLOBAL, _PROCESSING))
        buckets.append(Bucket(start, end, error, warning))
    return Series(span, zone, tuple(buckets))


def _edges(span: Span, zone: ZoneInfo, now: datetime) -> list[datetime]:
    """Return the edges of the buckets, whole hours in UTC; those of days are the reader's."""
    number, step = _STEPS[span]
    end = hour_of(now) + HOUR
    if span == "24h":
        return [end - left * step for left in range(number, -1, -1)]
    # Wall time is counted on, so that days stay days where clocks are changed.
    local = now.astimezone(zone).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    size = int(step / HOUR)
    local = local.replace(hour=local.hour // size * size) + step
    walls = [local - left * step for left in range(number, -1, -1)]
    edges = [hour_of(wall.replace(tzinfo=zone).astimezone(now.tzinfo)) for wall in walls]
    # In zones of half hours the last edge would cut the current hour off.
    return [*edges[:-1], max(edges[-1], end)]


def _last() -> Select[Any]:
    run = DispatchRun
    names = "id started_at finished_at considered notified held skipped failed".split()
    return (
        select(*(getattr(run, name) for name in names))
        .where(run.finished_at.is_not(None))
        .order_by(run.id.desc())
        .limit(1)
    )


def _run(run_id: int, started: datetime | None, finished: datetime, *counts: int) -> LastRun:
    words = ("considered", "notified", "held", "skipped", "failed")
    said = ", ".join(f"{n:,} {word}" for n, word in zip(counts, words, strict=True) if n)
    seconds = (finished - (started or finished)).total_seconds()
    return LastRun(run_id, finished, max(seconds, 0.0), said or "nothing to do")
