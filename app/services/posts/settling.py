"""Before a lane is given back: what is out of retries is stored, a flush that is over ends."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import bindparam, exists, func, or_, select

from app.clock import utc_now
from app.domain.kinds import DeliveryState, Fault, LaneState
from app.domain.lane import LaneStanding, ripe, settled
from app.models import IS_LEASED, IS_PENDING, IS_STORED, Delivery, Lane, LaneEntry
from app.services import other_errors
from app.services.installation import Installation
from app.services.lanes import Lease, give_back_claims, paused
from app.services.posts import standing
from app.services.sql import patiently

AT_ONCE = 1_000
_TABLE = Delivery.__table__
_IN_LANE = _TABLE.c.lane_id == bindparam("lane")
_RIPE = select(func.max(LaneEntry.upto_id)).where(
    LaneEntry.lane_id == bindparam("lane"), LaneEntry.round <= bindparam("round")
)
_USED_UP = (
    select(_TABLE.c.id)
    .where(
        _IN_LANE,
        IS_PENDING,
        _TABLE.c.id <= bindparam("upto"),
        or_(_TABLE.c.fault.is_(None), _TABLE.c.fault != Fault.MESSAGE),
    )
    .order_by(_TABLE.c.due_at, _TABLE.c.id)
    .limit(AT_ONCE)
)
_STORED = (
    _TABLE.update()
    .where(_TABLE.c.id.in_(_USED_UP), _TABLE.c.state == DeliveryState.PENDING)
    .values(state=DeliveryState.STORED)
)
_WAITS, _KEPT, _HELD = (
    select(_TABLE.c.id).where(_IN_LANE, state).limit(1)
    for state in (IS_PENDING, IS_STORED, IS_LEASED)
)
_FAILED = [
    select(_TABLE.c.id).where(_IN_LANE, state, _TABLE.c.fault.is_not(None)).limit(1)
    for state in (IS_PENDING, IS_STORED)
]


_NOTHING_LEFT = [
    ~exists().where(_TABLE.c.lane_id == Lane.__table__.c.id, state)
    for state in (IS_PENDING, IS_STORED, IS_LEASED)
]
_CALM = select(Lane.id).where(
    Lane.row.is_not(None),
    or_(Lane.state != LaneState.NORMAL, Lane.round != 0),
    Lane.lease_token.is_(None),
    *_NOTHING_LEFT,
)
_CALM_ONE = (
    select(Lane.system_id, Lane.row)
    .where(Lane.id == bindparam("lane"), Lane.lease_token.is_(None), *_NOTHING_LEFT)
    .with_for_update(of=Lane)
)


def settle(site: Installation, lease: Lease, *, drained: bool) -> None:
    """Give back what was claimed and not started, store what is out of retries, end a flush.

    `drained`: nothing could be claimed any more. In small transactions, while the lane is ours;
    harmless when it is not, or when it is repeated.
    """
    with site.store.reading() as connection:
        lane = standing.read(connection, lease.lane_id)
    if lane.state is LaneState.NORMAL and lane.round == 0:
        return
    give_back_claims(site, lease)
    while patiently(partial(_store_used_up, site, lease)) == AT_ONCE:
        continue
    patiently(partial(_settle, site, lease, drained=drained))


def _store_used_up(site: Installation, lease: Lease) -> int:
    """Store some of the messages whose timed retries are used up; returns how many."""
    with site.store.bulk_writing() as connection:
        found = standing.owned(connection, lease.lane_id, lease.token)
        if found is None or (limit := ripe(found[0])) is None or not found[0].blocked:
            return 0
        upto = connection.scalar(_RIPE, {"lane": lease.lane_id, "round": limit})
        if upto is None:
            return 0
        return int(connection.execute(_STORED, {"lane": lease.lane_id, "upto": upto}).rowcount)


def _settle(site: Installation, lease: Lease, *, drained: bool) -> None:
    with site.store.writing(durable=False) as connection:
        found = standing.owned(connection, lease.lane_id, lease.token)
        if found is None:
            return
        lane = found[0]

        def any_of(*queries: Any) -> bool:
            mine = {"lane": lease.lane_id}
            return any(connection.scalar(query, mine) is not None for query in queries)

        # A system that was paused meanwhile goes on with its flush when it runs again.
        over = drained and not paused(connection, lease.system_id)
        if lane.state is LaneState.FLUSHING and not over:
            return
        waits = any_of(_WAITS, _HELD)
        left = waits or any_of(_KEPT)
        after = settled(lane, utc_now(), left=left, waits=waits, failed=any_of(*_FAILED))
        if after != lane:
            _write(connection, lease.lane_id, after, left=left)


def calm(site: Installation) -> None:
    """Let lanes be normal in which nothing is left: it was given up, or cancelled. Idempotent."""
    with site.store.reading() as connection:
        ids = connection.scalars(_CALM).all()
    for lane_id in ids:
        patiently(partial(_calm, site, lane_id))


def _calm(site: Installation, lane_id: int) -> None:
    with site.store.writing(durable=False) as connection:
        one = connection.execute(_CALM_ONE, {"lane": lane_id}).first()
        if one is not None:
            lane = standing.read(connection, lane_id)
            after = settled(lane, utc_now(), left=False, waits=False, failed=False)
            _write(connection, lane_id, after, left=False)
            other_errors.resolve(connection, one.system_id, None, one.row)


def _write(connection: Any, lane_id: int, lane: LaneStanding, *, left: bool) -> None:
    standing.write(connection, lane_id, lane)
    if lane.state is LaneState.NORMAL:
        standing.forget_error(connection, lane_id)
    if not left:
        table = LaneEntry.__table__
        connection.execute(table.delete().where(table.c.lane_id == lane_id))
