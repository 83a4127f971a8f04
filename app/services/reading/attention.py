"""What needs attention: lines of the Overview for the operator, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from sqlalchemy import Connection, and_, func, select

from app.domain.kinds import ErrorType, FailureState, LaneState
from app.models import (
    IS_OPEN,
    Delivery,
    Failure,
    Lane,
    Process,
    System,
)
from app.services import preferences, search
from app.services.counts import hour_of
from app.services.health import SEEN
from app.services.installation import Installation
from app.services.reading import silent
from app.services.reading.counts import DAY, HOUR, sums

MOST = 1_000
_DEAD = "deliveries.dead"


@dataclass(frozen=True)
class Item:
    """One line: what is wrong, where to look, and how many (at most MOST where it is counted).

    `since` and `next_at` are shown in the reader's zone.
    """

    level: Literal["error", "warning", "info"]
    text: str
    url: str
    count: int | None = None
    since: datetime | None = None
    next_at: datetime | None = None


def items(site: Installation, now: datetime) -> list[Item]:
    """Return what needs attention at `now`, errors first; reads only."""
    with site.store.reading() as connection:
        found = [
            *_processes(connection, now),
            *_lanes(connection),
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
    query = (
        select(System.name, Lane.since, Lane.next_try_at, Lane.error_text, Lane.id)
        .join(System, System.id == Lane.system_id)
        .where(Lane.state != LaneState.NORMAL, System.status != "paused")
        .order_by(Lane.id)
    )
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    counted = select(Delivery.lane_id, func.count()).where(Delivery.lane_id.in_(ids), IS_OPEN)
    waiting = dict(connection.execute(counted.group_by(Delivery.lane_id)).all()) if ids else {}
    for row in rows:
        number = waiting.get(row.id, 0)
        said = f"{row.name} cannot deliver, {number:,} {'waits' if number == 1 else 'wait'}."
        said = f"{said} {row.error_text}" if row.error_text else said
        url = f"/systems/{quote(row.name, safe='')}"
        yield Item("error", said, url, number, since=row.since, next_at=row.next_try_at)


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
