"""Claims in a lane with a retry policy: what goes now, one for all while its endpoint is silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, TextClause, bindparam, or_, select

from app.clock import utc_now
from app.domain.kinds import DeliveryKind, DeliveryState, LaneState
from app.domain.lane import Cause, LaneStanding
from app.models import IS_PENDING, IS_STORED, Delivery
from app.services.installation import Installation
from app.services.lane_work import FIRST, FURTHEST
from app.services.lanes import Lease, paused
from app.services.posts import standing
from app.services.posts.expiry import expire, oldest

# Each claim is a transaction; what is claimed and not started costs nothing when it is lost.
BATCH = 200
_DELIVERY = Delivery.__table__
_ORDER = (Delivery.due_at, Delivery.id)
_SORTED: tuple[Any, ...] = (Delivery.id, Delivery.due_at)
_LANE = Delivery.lane_id == bindparam("lane")
_NOW: Any = bindparam("now")


@dataclass(frozen=True)
class Post:
    """A claimed delivery of a lane with a retry policy, leased and not started."""

    id: int
    kind: DeliveryKind
    event_id: int | None
    integration_id: int | None
    item_count: int
    lost_leases: int
    created_at: datetime
    reported_at: datetime
    cause: Cause
    stored: bool


_COLUMNS = [_DELIVERY.c[name] for name in Post.__dataclass_fields__ if name in _DELIVERY.c]


def _candidates(state: TextClause, *conditions: Any) -> Select[Any]:
    young = Delivery.reported_at >= bindparam("limit")
    query = select(*_SORTED).where(_LANE, state, *conditions, young, FIRST)
    return query.order_by(*_ORDER).limit(bindparam("most")).with_for_update(skip_locked=True)


# Statements of the hot path are built once: building one costs more than running it.
_DUE = or_(Delivery.due_at <= _NOW, Delivery.due_at > bindparam("furthest"))
_PENDING_DUE = _candidates(IS_PENDING, _DUE)
_STORED_DUE = _candidates(IS_STORED, _DUE)
_PENDING_ALL = _candidates(IS_PENDING)
_STORED_ALL = _candidates(IS_STORED)
_NEW = _candidates(IS_PENDING, _DUE, Delivery.id > bindparam("held"))
_LEASED = (
    _DELIVERY.update()
    .where(
        _DELIVERY.c.id.in_(bindparam("ids", expanding=True)),
        _DELIVERY.c.state.in_((DeliveryState.PENDING, DeliveryState.STORED)),
    )
    .values(state=DeliveryState.LEASED, lease_token=bindparam("token"), started=False)
    .returning(*_COLUMNS)
)


@dataclass(frozen=True)
class _Chosen:
    """Which deliveries go, why, and which of them were stored."""

    ids: tuple[int, ...] = ()
    cause: Cause = Cause.FLOW
    stored: frozenset[int] = frozenset()


def take(site: Installation, lease: Lease) -> list[Post]:
    """Lease what goes now, the oldest first; one while the endpoint does not answer.

    What has waited for 3 days is given up first. Nothing while sending is paused.
    """
    with site.store.writing(durable=False) as connection:
        if paused(connection, lease.system_id):
            return []
        now = utc_now()
        expire(connection, site, lease.lane_id, now)
        chosen = _choose(connection, lease.lane_id, now, oldest(site, now))
        if not chosen.ids:
            # What is too old, with a later time of its own, is not chosen: it must not look due.
            expire(connection, site, lease.lane_id, now, thoroughly=True)
            return []
        rows = connection.execute(_LEASED, {"ids": list(chosen.ids), "token": lease.token}).all()
    # RETURNING keeps no order (delivery.md).
    place = {delivery_id: nth for nth, delivery_id in enumerate(chosen.ids)}
    rows = sorted(rows, key=lambda row: place[row[0]])
    return [_post(row, chosen) for row in rows]


def _post(row: Any, chosen: _Chosen) -> Post:
    return Post(*(*row, chosen.cause, row[0] in chosen.stored))


def _choose(connection: Connection, lane_id: int, now: datetime, limit: datetime) -> _Chosen:
    lane = standing.read(connection, lane_id)
    values = {
        "lane": lane_id,
        "now": now,
        "furthest": now + FURTHEST,
        "limit": limit,
        "held": lane.held_id or 0,
    }
    if lane.blocked:
        return _one(connection, lane, values, now)
    values["most"] = BATCH
    pending = connection.execute(_PENDING_DUE, values).all()
    if lane.state is not LaneState.FLUSHING:
        return _Chosen(tuple(row.id for row in pending))
    stored = connection.execute(_STORED_DUE, values).all()
    rows = sorted((*pending, *stored), key=lambda row: (row.due_at, row.id))[:BATCH]
    return _Chosen(tuple(row.id for row in rows), stored=frozenset(row.id for row in stored))


def _one(
    connection: Connection, lane: LaneStanding, values: dict[str, Any], now: datetime
) -> _Chosen:
    """Choose the one that is tried for all: because somebody asked, for a round, or as it is new.

    "Once an event is triggered, or on frequency based on your retryDelay, a message is sent" (S2).
    """
    if not lane.rested(now):
        return _Chosen()
    values["most"] = 1
    if lane.asked:
        return _asked(connection, values)
    cause = Cause.ROUND if _round_is_due(lane, now) else Cause.NEW
    query = _PENDING_DUE if cause is Cause.ROUND else _NEW
    rows = connection.execute(query, values).all()
    return _Chosen(tuple(row.id for row in rows), cause)


def _asked(connection: Connection, values: dict[str, Any]) -> _Chosen:
    """Choose the oldest of all that waits, due or not."""
    pending = connection.execute(_PENDING_ALL, values).all()
    stored = connection.execute(_STORED_ALL, values).all()
    rows = sorted((*pending, *stored), key=lambda row: (row.due_at, row.id))[:1]
    return _Chosen(tuple(row.id for row in rows), Cause.ASKED, frozenset(row.id for row in stored))


def _round_is_due(lane: LaneStanding, now: datetime) -> bool:
    at = lane.next_try_at
    return at is not None and (at <= now or at > now + FURTHEST)
