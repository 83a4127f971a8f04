"""What is old of failures: found by the index of their list, deleted under their direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select, tuple_

from app.models import IS_OPEN, Delivery, DeliveryItem, Failure, IntegrationDirection
from app.services.housekeeping.steps import Found

CHUNK = 2_000
_TOLD_BY_WAITING = exists().where(
    DeliveryItem.failure_id == Failure.id, Delivery.id == DeliveryItem.delivery_id, IS_OPEN
)


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
        table = Failure.__table__
        old = table.delete().where(table.c.id.in_(keys), self._old(), ~_TOLD_BY_WAITING)
        if connection.dialect.name != "sqlite":
            old = old.where(self._locked(connection, keys))
        gone = connection.scalars(old.returning(table.c.id)).all()
        connection.execute(delete(DeliveryItem).where(DeliveryItem.failure_id.in_(gone)))
        return len(gone)

    def _locked(self, connection: Connection, keys: Sequence[int]) -> ColumnElement[bool]:
        """Lock the directions of the failures, as intake does; PostgreSQL only.

        Intake reads a failure under the lock of its direction and writes it back: a row that is
        deleted between the two would be a report that is lost. What intake holds is left out, as
        waiting for it would keep all others waiting whose directions are held here.
        """
        directions = _directions(keys).order_by(IntegrationDirection.id)
        free = connection.scalars(directions.with_for_update(skip_locked=True)).all()
        return _of(free)


@dataclass(frozen=True)
class BusyFailures(Failures):
    """Old failures of directions that intake held when it was their turn.

    One direction after another, which then can be waited for; on SQLite there are none.
    """

    def find(self, connection: Connection, after: Any) -> Found:
        """Return those of the next direction."""
        left = and_(self._old(), ~_TOLD_BY_WAITING)
        later = Failure.direction_id > (after or 0)
        next_one = connection.scalar(select(func.min(Failure.direction_id)).where(left, later))
        query = select(Failure.id).where(left, Failure.direction_id == next_one)
        return Found(connection.scalars(query).all() if next_one else [], next_one)

    def _locked(self, connection: Connection, keys: Sequence[int]) -> ColumnElement[bool]:
        """Wait for the direction; nothing else is held meanwhile."""
        return _of(connection.scalars(_directions(keys).with_for_update()).all())


def _directions(keys: Sequence[int]) -> Any:
    theirs = select(Failure.direction_id).where(Failure.id.in_(keys))
    return select(IntegrationDirection.id).where(IntegrationDirection.id.in_(theirs))


def _of(directions: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition of failures of these directions, or of none that there is."""
    return or_(
        Failure.direction_id.is_(None),
        Failure.direction_id.in_(directions),
        ~exists().where(IntegrationDirection.id == Failure.direction_id),
    )
