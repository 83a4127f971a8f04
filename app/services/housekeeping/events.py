"""What is old of events: two months are shown, and what still waits is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, or_

from app.models import IS_OPEN, Delivery, DeliveryEvent, Event
from app.services.housekeeping.steps import Found
from app.services.housekeeping.walking import by_id

_WAITS = or_(
    exists().where(Delivery.event_id == Event.id, IS_OPEN),
    exists().where(
        DeliveryEvent.event_id == Event.id, Delivery.id == DeliveryEvent.delivery_id, IS_OPEN
    ),
)


@dataclass(frozen=True)
class Events:
    """Events that were received before `limit`, and that no delivery has yet to tell.

    What told them keeps their ids, until it is old itself.
    """

    limit: datetime
    now: datetime
    name: str = "events"

    def _old(self) -> ColumnElement[bool]:
        return Event.received_at < self.limit

    def find(self, connection: Connection, after: Any) -> Found:
        """Walk the primary key up to events that were received too late to be old."""
        made = Event.received_at
        return by_id(connection, Event.id, made, self._old(), after, (self.limit, self.now))

    def delete(self, connection: Connection, keys: Sequence[int]) -> int:
        """Delete those that nothing waits to tell."""
        table: Any = Event.__table__
        done = connection.execute(table.delete().where(table.c.id.in_(keys), self._old(), ~_WAITS))
        return int(done.rowcount)
