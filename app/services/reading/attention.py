"""What needs attention: lines of the Overview for the operator, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import Connection, and_, func, select

from app.domain.event_kinds import Row
from app.domain.kinds import DeliveryKind, ErrorType, FailureState, LaneState
from app.domain.routing import TITLES
from app.models import IS_PENDING, Delivery, Failure, Lane, Process, System
from app.services import preferences, search, waiting
from app.services.counts import hour_of
from app.services.health import SEEN
from app.services.installation import Installation
from app.services.reading import silent
from app.services.reading.counts import DAY, HOUR, sums
from app.services.waiting import Waiting

MOST = 1_000
_DEAD = "deliveries.dead"


@dataclass(frozen=True)
class Item:
    """One line: what is wrong, where to look, and how many (at most MOST where it is counted).

    `since` and `next_at` are shown in the reader's zone; `next_try` says when it is tried where
    there is no time for it.
    """

    level: Literal["error", "warning", "info"]
    text: str
    url: str
    count: int | None = None
    since: datetime | None = None
    next_at: datetime | None = None
    next_try: str = "with the next run"


def items(site: Installation, now: datetime) -> list[Item]:
    """Return what needs attention at `now`, errors first; reads only."""
    with site.store.reading() as connection:
        found = [
            *_processes(connection, now),
            *_lanes(connection),
            *_overdue(connection, now, site.settings.pending_days),
            *_paused(connection),
            *_others(connection),
            *_silent(connection, now),
            *_search(connection),
        ]
    until = hour_of(now) + HOUR
    dead = sums(site, (_DEAD,), until - DAY, until, DAY)[_DEAD][0]
    if dead:
        said = f"{dead:,} dead in the last 24 hours: nobody tries them again by itself."
        found.append(Item("error", said, "/deliveries/?state=dead", dead))
    if site.store.room.low:
        said = f"The disk is nearly full: {site.store.room.sentence}."
        found.append(Item("error", said, "/about/"))
    return sorted(found, key=lambda item: ("error", "warning", "info").index(item.level))


def _processes(connection: Connection, now: datetime) -> Iterator[Item]:
    alive = and_(Process.seen_at > now - SEEN, Process.seen_at < now + SEEN)
    roles = set(connection.scalars(select(Process.role).where(alive).distinct()))
    if "worker" not in roles:
        said = "No worker is alive: nothing is sent. Start the server again, or look into its log."
        yield Item("error", said, "/about/")
    if "scheduler" not in roles:
        yield Item("error", "No scheduler is alive: no dispatch run starts by itself.", "/about/")


def _lanes(connection: Connection) -> Iterator[Item]:
    # Limited to those that do not work, which are few; each counts what waits for it.
    names = ("id", "row", "since", "held_id", "next_try_at", "error_text")
    query = (
        select(System.name, *(getattr(Lane, name) for name in names))
        .join(System, System.id == Lane.system_id)
        .where(Lane.state == LaneState.RETRYING, System.status != "paused")
        .order_by(Lane.id)
    )
    rows = connection.execute(query).all()
    left = waiting.in_lanes(connection, [row.id for row in rows])
    for row in rows:
        yield _lane(row, left.get(row.id, Waiting()))


def _lane(row: Any, left: Waiting) -> Item:
    said = f"{row.name} cannot deliver, {_waits(left.count)}."
    url, next_try = f"/systems/{quote(row.name, safe='')}", Item.next_try
    if row.row is not None:
        failing = row.held_id is not None
        trouble = "is in retry" if failing else "does not take some of its notifications"
        kept = f", {left.stored:,} of them stored for the next success" if left.stored else ""
        said = f"{row.name} ({TITLES[Row(row.row)]}) {trouble}, {_waits(left.count)}{kept}."
        next_try = "with the next notification" if failing else "by the time of each of them"
    said = f"{said} {row.error_text}" if row.error_text else said
    at = row.next_try_at
    return Item(
        "error", said, url, left.count, since=row.since, next_at=at, next_try=next_try
    )  # fmt: skip


def _waits(number: int) -> str:
    return f"{number:,} {'waits' if number == 1 else 'wait'}"


def _overdue(connection: Connection, now: datetime, days: int) -> Iterator[Item]:
    """Mail has no end: what has waited for 3 days is told until it is sent or cancelled."""
    some = (
        select(Delivery.id)
        .where(
            Delivery.lane_id.in_(select(Lane.id).where(Lane.row.is_(None))),
            IS_PENDING,
            Delivery.reported_at < now - timedelta(days=days),
            Delivery.kind != DeliveryKind.TEST,
        )
        .limit(MOST)
    )
    number = connection.scalar(select(func.count()).select_from(some.subquery())) or 0
    if number:
        mails = "mail has" if number == 1 else "mails have"
        said = f"{_capped(number)} {mails} waited for more than {days} days."
        yield Item("error", said, "/deliveries/?state=pending", number)


def _paused(connection: Connection) -> Iterator[Item]:
    if preferences.load(connection).paused:
        said = "Sending is paused: reports are taken, nothing is sent."
        yield Item("warning", said, "/schedules/")
    for name in connection.scalars(select(System.name).where(System.status == "paused")):
        said = f"{name} is paused: what waits for it is kept."
        yield Item("warning", said, f"/systems/{quote(name, safe='')}")


def _others(connection: Connection) -> Iterator[Item]:
    failure = Failure
    some = (
        select(failure.id)
        .where(failure.error_type == ErrorType.OTHER, failure.state == FailureState.OPEN)
        .where(failure.direction_id.is_(None))
        .limit(MOST)
    )
    number = connection.scalar(select(func.count()).select_from(some.subquery())) or 0
    if number:
        said = f"{_capped(number)} of Tocsin's own errors stand open."
        yield Item("warning", said, "/failures/global/?errorType=other", number)


def _silent(connection: Connection, now: datetime) -> Iterator[Item]:
    some = silent.integrations(now).limit(MOST)
    number = connection.scalar(select(func.count()).select_from(some.subquery())) or 0
    if number:
        said = f"{_capped(number)} silent for longer than their registration allows."
        yield Item("warning", said, "/integrations/?show=silent", number)


def _search(connection: Connection) -> Iterator[Item]:
    if not search.has_index(connection):
        said = "Searching failures is slow: PostgreSQL has no pg_trgm here (package contrib)."
        yield Item("warning", f"{said} As its owner run: {search.MAKE_INDEX}", "/about/")


def _capped(number: int) -> str:
    return f"{number:,}+" if number == MOST else f"{number:,}"
