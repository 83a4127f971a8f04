"""What is old of deliveries, and the traces that nothing has any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, select

from app.domain.kinds import FINAL_STATES
from app.models import (
    Attempt,
    Delivery,
    DeliveryEvent,
    DeliveryItem,
    DeliveryRecipient,
    Event,
    Failure,
    Trace,
)
from app.services.housekeeping.steps import Found
from app.services.housekeeping.walking import by_id, stretch

# A trace may be stored before its failure is; it is not looked for that early.
TRACE_AGE = timedelta(days=1)
_ORPHAN = and_(
    ~exists().where(Failure.trace_hash == Trace.hash),
    ~exists().where(Event.trace_hash == Trace.hash),
)


@dataclass(frozen=True)
class Deliveries:
    """Deliveries in a final state since before `limit`, with items, recipients and attempts.

    Waiting mail is never pruned (product.md 11).
    """

    limit: datetime
    now: datetime
    name: str = "deliveries"

    def _old(self) -> ColumnElement[bool]:
        return and_(Delivery.state.in_(FINAL_STATES), Delivery.finished_at < self.limit)

    def find(self, connection: Connection, after: Any) -> Found:
        """Walk the primary key up to deliveries that were made too late to be old."""
        made = Delivery.created_at
        return by_id(connection, Delivery.id, made, self._old(), after, (self.limit, self.now))

    def delete(self, connection: Connection, keys: Sequence[int]) -> int:
        """Delete the deliveries first: whoever else locks them does so before their rows."""
        table = Delivery.__table__
        old = table.delete().where(table.c.id.in_(keys), self._old()).returning(table.c.id)
        gone = connection.scalars(old).all()
        for model in (DeliveryItem, DeliveryEvent, DeliveryRecipient, Attempt):
            connection.execute(delete(model).where(model.delivery_id.in_(gone)))
        return len(gone)


@dataclass(frozen=True)
class Traces:
    """Traces that no failure and no event has any more."""

    now: datetime
    name: str = "traces"

    def _old(self) -> ColumnElement[bool]:
        return and_(Trace.created_at < self.now - TRACE_AGE, _ORPHAN)

    def find(self, connection: Connection, after: Any) -> Found:
        """Walk the primary key; the rows themselves, which may be large, are not read."""
        part, last = stretch(connection, (Trace.hash,), after)
        return Found(connection.scalars(select(Trace.hash).where(part, _ORPHAN)).all(), last)

    def delete(self, connection: Connection, keys: Sequence[bytes]) -> int:
        """Delete; on PostgreSQL only what intake does not use again at this moment.

        Intake locks a trace that it uses (services/traces.py), so that under our own lock the
        failure or event that has it can be seen.
        """
        if connection.dialect.name != "sqlite":
            free = select(Trace.hash).where(Trace.hash.in_(keys), self._old())
            keys = connection.scalars(free.with_for_update(of=Trace, skip_locked=True)).all()
        done = connection.execute(delete(Trace).where(Trace.hash.in_(keys), self._old()))
        return int(done.rowcount)
