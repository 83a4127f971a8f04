"""Claims: the deliveries of a lane that its owner is about to send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from app.domain.kinds import DeliveryKind, DeliveryState, Direction, LaneState
from app.models import Delivery
from app.services.installation import Installation
from app.services.lane_work import mail_due
from app.services.lanes import Lease, paused

BATCH = 64
PROBES_OF_ONE = 3


@dataclass(frozen=True)
class Claimed:
    """One delivery, leased and not started."""

    id: int
    kind: DeliveryKind
    integration_id: int | None
    direction: Direction | None
    message_id: str | None
    why: str
    why_text: str
    episode_since: datetime | None
    occurrences: int | None
    item_count: int
    lost_leases: int
    created_at: datetime
    recovered_at: datetime | None
    silent_since: datetime | None
    limit_minutes: int | None
    about_system_id: int | None
    event_id: int | None


_COLUMNS = [Delivery.__table__.c[name] for name in Claimed.__dataclass_fields__]
_LEASED = (
    Delivery.__table__.update()
    .where(
        Delivery.id.in_(bindparam("ids", expanding=True)), Delivery.state == DeliveryState.PENDING
    )
    .values(state=DeliveryState.LEASED, lease_token=bindparam("token"), started=False)
    .returning(*_COLUMNS)
)


def take(site: Installation, lease: Lease) -> list[Claimed]:
    """Lease what is due in the lane, the oldest first; one probe while the lane is retrying.

    Nothing while sending is paused.
    """
    with site.store.writing(durable=False) as connection:
        if paused(connection, lease.system_id):
            return []
        ids = _due(connection, lease)
        return [Claimed(**row._mapping) for row in _lease(connection, lease, ids)] if ids else []


def again(connection: Connection, claimed: Claimed) -> Claimed:
    """Return a claimed delivery as it stands now."""
    row = connection.execute(select(*_COLUMNS).where(Delivery.id == claimed.id)).first()
    return claimed if row is None else Claimed(**row._mapping)


def _due(connection: Connection, lease: Lease) -> list[int]:
    query = select(Delivery.id).where(Delivery.lane_id == lease.lane_id, mail_due())
    query = query.with_for_update(skip_locked=True)
    oldest = (Delivery.due_at, Delivery.id)
    if lease.state is not LaneState.RETRYING:
        return list(connection.scalars(query.order_by(*oldest).limit(BATCH)))
    # The oldest, but not for ever: a mail that ends each connection must not hold the lane.
    query = query.order_by(Delivery.attempt_count // PROBES_OF_ONE, *oldest)
    if lease.next_try_at is None:
        # Only what came after the failed try is new, and attempted at once.
        query = query.where(Delivery.id > (lease.held_id or 0))
    return list(connection.scalars(query.limit(1)))


def _lease(connection: Connection, lease: Lease, ids: list[int]) -> list[Row[Any]]:
    rows = connection.execute(_LEASED, {"ids": ids, "token": lease.token}).all()
    # RETURNING keeps no order (delivery.md).
    return sorted(rows, key=lambda row: ids.index(row.id))
