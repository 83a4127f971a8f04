"""Events that go several at a time (batch notify): into which delivery each of them comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from app.domain.kinds import DeliveryKind
from app.models import IS_PENDING, Delivery
from app.services.events.plans import Way

_DELIVERY = Delivery.__table__
# One that was tried, or is due, goes as it is.
_OPEN = (
    select(Delivery.id, Delivery.item_count, Delivery.due_at)
    .where(
        Delivery.lane_id == bindparam("lane"),
        IS_PENDING,
        Delivery.kind == DeliveryKind.EVENT,
        Delivery.event_id.is_(None),
        Delivery.attempt_count == 0,
        Delivery.started.is_(False),
        Delivery.item_count < bindparam("size"),
        Delivery.due_at > bindparam("now"),
    )
    .order_by(Delivery.due_at.desc(), Delivery.id.desc())
    .limit(1)
    .with_for_update()
)
_JOINED = (
    _DELIVERY.update()
    .where(_DELIVERY.c.id == bindparam("batch"))
    .values(item_count=bindparam("number"), due_at=bindparam("due"))
)


@dataclass
class Collected:
    """One delivery of several events; `id` None: a new one. `before`: how many it had already."""

    way: Way
    due_at: datetime
    id: int | None = None
    before: int = 0
    events: list[int] = field(default_factory=list)

    @property
    def lane_id(self) -> int:
        """The lane of it."""
        return self.way.target.lane_id

    @property
    def number(self) -> int:
        """How many events it tells."""
        return self.before + len(self.events)

    def close(self, now: datetime) -> None:
        """Let a full one go at once."""
        if self.number >= self.way.target.size:
            self.due_at = now


def collect(
    connection: Connection, way: Way, events: Sequence[int], now: datetime
) -> list[Collected]:
    """Return the deliveries that `events` (any numbers of them) of one subscription go with.

    The first may be one that waits already; it is locked. Nothing is written.
    """
    batches = list(_waiting(connection, way, now))
    left = list(events)
    if batches:
        _fill(batches[0], left, now)
    while left:
        batches.append(Collected(way, now + way.target.window))
        _fill(batches[-1], left, now)
    return batches


def _waiting(connection: Connection, way: Way, now: datetime) -> Iterator[Collected]:
    values = {"lane": way.target.lane_id, "size": way.target.size, "now": now}
    row: Any = connection.execute(_OPEN, values).first()
    if row is not None:
        yield Collected(way, row.due_at, row.id, row.item_count)


def _fill(batch: Collected, left: list[int], now: datetime) -> None:
    room = batch.way.target.size - batch.before
    batch.events = left[:room]
    del left[:room]
    batch.close(now)


def join(connection: Connection, batches: Sequence[Collected]) -> None:
    """Write how many events the deliveries have that were there before."""
    values = [
        {"batch": one.id, "number": one.number, "due": one.due_at} for one in batches if one.before
    ]
    if values:
        connection.execute(_JOINED, values)
