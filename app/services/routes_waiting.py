"""What waits where a system left its last cell of a row: sent, or cancelled (product.md 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from app.domain.event_kinds import Row
from app.domain.kinds import DeliveryKind, EndReason, LaneState, Why
from app.models import Delivery, Event, Lane, LaneEntry, System
from app.services import outbox
from app.services.lanes import NORMAL
from app.services.named import Change, Document
from app.services.system_use import OPEN
from app.services.systems import MAIL_KINDS


class Waiting(StrEnum):
    """What happens to what waits for a system that left its last cell of a row."""

    SEND = "send"
    CANCEL = "cancel"


_DONE = {Waiting.SEND: "sent", Waiting.CANCEL: "cancelled"}
_ORDER = list(Row)


def settle(change: Change, gone: Iterable[tuple[Row, int]], what: Waiting) -> list[Document]:
    """Cancel what waits for each row and system of `gone`, or leave it to be sent.

    Returns a line for each, with how many it was. What is being sent at this moment is left alone.
    """
    pairs = sorted(gone, key=lambda pair: (_ORDER.index(pair[0]), pair[1]))
    found = [(row, *_where(change.session, row, system_id)) for row, system_id in pairs]
    lane_ids = {lane_id for _, _, lane_id, _ in found}
    cancels = what is Waiting.CANCEL
    if cancels:
        _lock(change.session, lane_ids)
    deal: Callable[[Connection, ColumnElement[bool]], int] = _cancel if cancels else _count
    connection = change.session.connection()
    told = [
        {"source": str(row), "system": name, "count": deal(connection, which), "done": _DONE[what]}
        for row, name, _, which in found
    ]
    if cancels:
        _rest(change, lane_ids)
    return told


def _where(session: Session, row: Row, system_id: int) -> tuple[str, int, ColumnElement[bool]]:
    """Return the name of a system, its lane, and the condition of what the row sent there."""
    system = session.get_one(System, system_id)
    mail = system.kind in MAIL_KINDS
    of_row = Lane.row.is_(None) if mail else Lane.row == str(row)
    lane_id = session.scalar(select(Lane.id).where(Lane.system_id == system_id, of_row)) or 0
    which = Delivery.lane_id == lane_id
    return system.name, lane_id, and_(which, *_routed(row)) if mail else which


def _routed(row: Row) -> list[ColumnElement[bool]]:
    """Return the conditions of what a row has put into the lane of a mail system."""
    kind = Delivery.kind == DeliveryKind.EVENT
    if row is Row.GLOBAL:
        return [kind, Delivery.why == str(Why.GLOBAL_CELL)]
    source = exists().where(Event.id == Delivery.event_id, Event.source == str(row))
    return [kind, Delivery.why == str(Why.OWN_CELL), source]


def _lock(session: Session, lane_ids: Iterable[int]) -> None:
    """Lock the lanes before their deliveries, as whoever sends does."""
    query = select(Lane.id).where(Lane.id.in_(lane_ids)).order_by(Lane.id).with_for_update()
    session.execute(query)


def _count(connection: Connection, which: ColumnElement[bool]) -> int:
    counted = select(func.count()).select_from(Delivery)
    return sum(connection.scalar(counted.where(which, state)) or 0 for state in OPEN)


def _cancel(connection: Connection, which: ColumnElement[bool]) -> int:
    reason = EndReason.REMOVED
    return sum(len(outbox.cancel_where(connection, and_(which, one), reason)) for one in OPEN)


def _rest(change: Change, lane_ids: Iterable[int]) -> None:
    """Make those lanes normal that have nothing left in them and no owner at work.

    Else their system would be said to fail until something went through them again.
    """
    connection, table = change.session.connection(), Lane.__table__
    left = [exists().where(Delivery.lane_id == table.c.id, state) for state in OPEN]
    done = connection.scalars(
        table.update()
        .where(table.c.id.in_(lane_ids), table.c.lease_token.is_(None), *(~one for one in left))
        .where(or_(table.c.state != LaneState.NORMAL, table.c.round != 0))
        .values(NORMAL | {"since": change.now})
        .returning(table.c.id)
    ).all()
    connection.execute(delete(LaneEntry).where(LaneEntry.lane_id.in_(done)))
