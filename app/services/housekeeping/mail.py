"""What is old of deliveries and failures, and of the traces that no failure has any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, or_, select, tuple_

from app.domain.kinds import FINAL_STATES
from app.models import (
    IS_OPEN,
    Attempt,
    Delivery,
    DeliveryItem,
    DeliveryRecipient,
    Failure,
    IntegrationDirection,
    Trace,
)
from app.services.housekeeping.steps import Found
from app.services.housekeeping.walking import by_id, stretch

CHUNK = 2_000
# A trace may be stored before its failure is; it is not looked for that early.
TRACE_AGE = timedelta(days=1)


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
        for model in (DeliveryItem, DeliveryRecipient, Attempt):
            connection.execute(delete(model).where(model.delivery_id.in_(gone)))
        return len(gone)


@dataclass(frozen=True)
class Failures:
    """Failures whose last repeat, and last mail, are from before `limit`; open ones as well.

    What a mail that waits still tells is kept (product.md 11).
    """

    limit: datetime
    name: str = "failures"

    def _old(self) -> ColumnElement[bool]:
        return and_(
            Failure.last_logged_at < self.limit,
            or_(Failure.notified_at.is_(None), Failure.notified_at < self.limit),
        )

    def find(self, connection: Connection, after: Any) -> Found:
        """Walk the index of the list, from the oldest on."""
        place = (Failure.last_logged_at, Failure.id)
        query = select(*place).where(self._old()).order_by(*place).limit(CHUNK)
        if after is not None:
            query = query.where(tuple_(*place) > after)
        rows = connection.execute(query).all()
        full = len(rows) == CHUNK
        return Found([row.id for row in rows], tuple(rows[-1]) if full else None)

    def delete(self, connection: Connection, keys: Sequence[int]) -> int:
        """Delete what nobody is counting on at this moment, and the items that told it."""
        waiting = exists().where(
            DeliveryItem.failure_id == Failure.id, Delivery.id == DeliveryItem.delivery_id, IS_OPEN
        )
        table = Failure.__table__
        old = table.delete().where(table.c.id.in_(keys), self._old(), ~waiting)
        if connection.dialect.name != "sqlite":
            old = old.where(_unlocked(connection, keys))
        gone = connection.scalars(old.returning(table.c.id)).all()
        connection.execute(delete(DeliveryItem).where(DeliveryItem.failure_id.in_(gone)))
        return len(gone)


def _unlocked(connection: Connection, keys: Sequence[int]) -> ColumnElement[bool]:
    """Lock the directions of the failures, as intake does, but wait for none; PostgreSQL only.

    Intake reads a failure under the lock of its direction and writes it back: a row that is deleted
    between the two would be a report that is lost. What intake holds now is left to the next time.
    """
    table = IntegrationDirection
    theirs = select(Failure.direction_id).where(Failure.id.in_(keys))
    locked = connection.scalars(
        select(table.id)
        .where(table.id.in_(theirs))
        .order_by(table.id)
        .with_for_update(skip_locked=True)
    ).all()
    return or_(
        Failure.direction_id.is_(None),
        Failure.direction_id.in_(locked),
        ~exists().where(table.id == Failure.direction_id),
    )


@dataclass(frozen=True)
class Traces:
    """Traces that no failure has any more."""

    now: datetime
    name: str = "traces"

    def _old(self) -> ColumnElement[bool]:
        return and_(
            Trace.created_at < self.now - TRACE_AGE,
            ~exists().where(Failure.trace_hash == Trace.hash),
        )

    def find(self, connection: Connection, after: Any) -> Found:
        """Walk the primary key; the rows themselves, which may be large, are not read."""
        part, last = stretch(connection, (Trace.hash,), after)
        orphan = ~exists().where(Failure.trace_hash == Trace.hash)
        return Found(connection.scalars(select(Trace.hash).where(part, orphan)).all(), last)

    def delete(self, connection: Connection, keys: Sequence[bytes]) -> int:
        """Delete; on PostgreSQL only what intake does not use again at this moment.

        Intake locks a trace that it uses (services/traces.py), so that under our own lock the
        failure that has it can be seen.
        """
        if connection.dialect.name != "sqlite":
            free = select(Trace.hash).where(Trace.hash.in_(keys), self._old())
            keys = connection.scalars(free.with_for_update(of=Trace, skip_locked=True)).all()
        done = connection.execute(delete(Trace).where(Trace.hash.in_(keys), self._old()))
        return int(done.rowcount)
