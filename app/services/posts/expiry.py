"""What was not delivered within 3 days is given up: neither sent nor stored any more (S2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, or_, select

from app.clock import unsteady, utc_now
from app.domain.kinds import DeliveryState, EndReason, Fail
from app.domain.retry import LONGEST
from app.models import IS_PENDING, IS_STORED, Delivery, Lane, System
from app.services import counts
from app.services.installation import Installation
from app.services.other_errors import OtherError, record
from app.services.sql import among, patiently

# Given up in one transaction; those that are left are next.
AT_ONCE = 500
_TABLE = Delivery.__table__
_LIMIT: Any = bindparam("limit")


def _old(*conditions: Any) -> list[Select[Any]]:
    """Return the queries of what is too old in a lane, one for each partial index."""
    mine = (Delivery.lane_id == bindparam("lane"), Delivery.reported_at < _LIMIT)
    return [
        select(Delivery.id)
        .where(*mine, state, *conditions)
        .order_by(Delivery.due_at, Delivery.id)
        .limit(AT_ONCE)
        for state in (IS_PENDING, IS_STORED)
    ]


# Found by the index alone: what has a later time of its own is found by the sweep.
_QUICKLY = _old(Delivery.due_at < _LIMIT)
_THOROUGHLY = _old()
# The oldest message of a lane is its first by due time, unless it fails for its own reason.
_FIRST = {
    state: select(Delivery.reported_at)
    .where(Delivery.lane_id == bindparam("lane"), state)
    .order_by(Delivery.due_at, Delivery.id)
    .limit(1)
    for state in (IS_PENDING, IS_STORED)
}
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_WHOSE = (
    select(Lane.system_id, Lane.row, System.name)
    .join(System, System.id == Lane.system_id)
    .where(Lane.id == bindparam("lane"))
)


def limit_of(site: Installation) -> timedelta:
    """Return how long a message may wait: TOCSIN_PENDING_DAYS, 3 days at most (S2)."""
    return min(timedelta(days=site.settings.pending_days), timedelta(seconds=LONGEST))


def oldest(site: Installation, now: datetime) -> datetime:
    """Return when a message that may still be sent was reported at the earliest.

    After a jump of the clock, which must not end anything: at any time.
    """
    return _BEGINNING if unsteady() else now - limit_of(site)


def last_chance(connection: Connection, site: Installation, lane_id: int) -> datetime | None:
    """Return when the oldest message of a lane is given up, or None where none waits."""
    found = [connection.scalar(query, {"lane": lane_id}) for query in _FIRST.values()]
    times = [at for at in found if at is not None]
    return min(times) + limit_of(site) if times else None


def expire(
    connection: Connection,
    site: Installation,
    lane_id: int,
    now: datetime,
    *,
    thoroughly: bool = False,
) -> int:
    """Give up what has waited too long in a lane, in the caller's transaction; returns how many."""
    if unsteady():
        return 0
    values = {"lane": lane_id, "limit": oldest(site, now)}
    queries = _THOROUGHLY if thoroughly else _QUICKLY
    ids = [one for query in queries for one in connection.scalars(query, values)]
    if ids:
        _give_up(connection, lane_id, ids, now)
    return len(ids)


def _give_up(connection: Connection, lane_id: int, ids: Sequence[int], now: datetime) -> None:
    """End them as dead; their event stays, and can be read and sent again."""
    waits = (DeliveryState.PENDING, DeliveryState.STORED)
    done = connection.execute(
        _TABLE.update()
        .where(among(connection, _TABLE.c.id, ids), _TABLE.c.state.in_(waits))
        .values(
            state=DeliveryState.DEAD, reason=EndReason.EXPIRED, finished_at=now, lease_token=None
        )
    ).rowcount
    whose = connection.execute(_WHOSE, {"lane": lane_id}).one()
    text = (
        f"{done:,} notifications for {whose.name} were not delivered within 3 days and are given "
        "up. Their events stay readable: send them again from the list of deliveries."
    )
    error = OtherError(whose.system_id, None, Fail.OTHER, text, about="expired", row=whose.row)
    record(connection, [error], now)
    counts.add(connection, now, {"deliveries.dead": done})


def expire_all(site: Installation) -> int:
    """Give up what has waited too long in any lane, in small transactions; returns how many."""
    if unsteady():
        return 0
    return sum(_empty(site, lane_id) for lane_id in _lanes(site))


def _lanes(site: Installation) -> list[int]:
    limit = oldest(site, utc_now())
    mine = (Delivery.lane_id == Lane.__table__.c.id, Delivery.reported_at < limit)
    old = [exists().where(state, *mine) for state in (IS_PENDING, IS_STORED)]
    with site.store.reading() as connection:
        return list(connection.scalars(select(Lane.id).where(Lane.row.is_not(None), or_(*old))))


def _empty(site: Installation, lane_id: int) -> int:
    total = 0
    while done := patiently(partial(_step, site, lane_id)):
        total += done
        if done < AT_ONCE:
            break
    return total


def _step(site: Installation, lane_id: int) -> int:
    with site.store.bulk_writing() as connection:
        return expire(connection, site, lane_id, utc_now(), thoroughly=True)
