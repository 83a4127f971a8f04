"""What waits in the outbox, counted through its partial indexes and never by the whole table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, literal, select, union_all

from app.models import IS_LEASED, IS_PENDING, IS_STORED, Delivery

# One query a state, as each has its partial index; a list of states has none.
_STATES = ((IS_PENDING, 0), (IS_LEASED, 0), (IS_STORED, 1))


@dataclass(frozen=True)
class Waiting:
    """How many deliveries wait or are being sent, how many of these are stored for the next flush.

    `oldest_at`: when the oldest of them was reported.
    """

    count: int = 0
    stored: int = 0
    oldest_at: datetime | None = None


def everywhere(connection: Connection) -> Waiting:
    """Return what waits in all lanes, and beside them."""
    found = _summed([_counted(state, stored) for state, stored in _STATES])
    return _waiting(connection.execute(found).one())


def in_lanes(
    connection: Connection, lane_ids: Sequence[int], *which: ColumnElement[bool]
) -> Mapping[int, Waiting]:
    """Return what waits in each of the lanes in which anything does; of it, only `which`."""
    lane = Delivery.lane_id
    parts = [
        _counted(state, stored, lane).where(lane.in_(lane_ids), *which).group_by(lane)
        for state, stored in _STATES
    ]
    rows = connection.execute(_summed(parts, "lane_id")).all() if lane_ids else ()
    return {row.lane_id: _waiting(row) for row in rows}


def none_left(lane_id: Any) -> list[ColumnElement[bool]]:
    """Return the conditions under which nothing is left in the lane of the column `lane_id`."""
    return [~exists().where(Delivery.lane_id == lane_id, state) for state, _ in _STATES]


def _counted(state: Any, stored: int, *by: Any) -> Select[Any]:
    columns: tuple[Any, ...] = (
        *by,
        func.count().label("open"),
        literal(stored).label("stored"),
        func.min(Delivery.reported_at).label("oldest_at"),
    )
    return select(*columns).select_from(Delivery).where(state)


def _summed(parts: Sequence[Select[Any]], *by: str) -> Select[Any]:
    found = union_all(*parts).subquery().c
    columns: tuple[Any, ...] = (
        *(found[name] for name in by),
        func.sum(found.open).label("open"),
        func.sum(found.open * found.stored).label("stored"),
        func.min(found.oldest_at).label("oldest_at"),
    )
    return select(*columns).group_by(*(found[name] for name in by))


def _waiting(row: Any) -> Waiting:
    return Waiting(int(row.open or 0), int(row.stored or 0), row.oldest_at)
