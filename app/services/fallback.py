"""The fallback system: one message per episode of a failing system, through another (product.md 6).

No loops: a message is queued only in a lane that works at that moment, and one about a system whose
own fallback is failing waits until the pass finds that fallback well.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, or_, select
from sqlalchemy.orm import aliased

from app.domain.kinds import DeliveryKind, LaneState, Why
from app.models import Delivery, Lane, System
from app.services.new_delivery import fresh
from app.services.sql import insert_returning

_STAND_IN, _TOLD = aliased(Lane), aliased(Lane)
# Failing lanes that nobody was told of, whose fallback system is well.
_UNTOLD = (
    select(
        Lane.id,
        Lane.system_id,
        Lane.since,
        Lane.error_text,
        System.name,
        System.fallback_id,
        _STAND_IN.id.label("stand_in"),
    )
    .join(System, System.id == Lane.system_id)
    .join(_STAND_IN, (_STAND_IN.system_id == System.fallback_id) & _STAND_IN.row.is_(None))
    .where(
        Lane.state == LaneState.RETRYING,
        # A lane whose endpoint answers, and refuses single messages, can deliver.
        or_(Lane.row.is_(None), Lane.held_id.is_not(None)),
        # Once for a system, however many of its lanes fail.
        ~exists().where(_TOLD.system_id == Lane.system_id, _TOLD.fallback_delivery_id.is_not(None)),
        _STAND_IN.state != LaneState.RETRYING,
    )
    .order_by(Lane.id)
)


def tell(connection: Connection, now: datetime, lane_id: int | None = None) -> list[int]:
    """Queue the message about each failing lane (or about `lane_id`) that was not told yet.

    Returns the lanes to wake after the commit; in the caller's transaction. Idempotent per episode
    of the failing lane: the lane remembers its message until it works again.
    """
    query = _UNTOLD if lane_id is None else _UNTOLD.where(Lane.id == lane_id)
    return [_queue(connection, row, now) for row in connection.execute(query).all()]


def _queue(connection: Connection, row: Any, now: datetime) -> int:
    mail = fresh(
        now,
        kind=DeliveryKind.FALLBACK,
        system_id=row.fallback_id,
        lane_id=row.stand_in,
        about_system_id=row.system_id,
        why=Why.FALLBACK,
        why_text=f"{row.name} cannot deliver: {row.error_text}",
        episode_since=row.since,
        due_at=now,
    )
    (mail_id,) = insert_returning(connection, Delivery.__table__, [mail])
    table = Lane.__table__
    connection.execute(
        table.update().where(table.c.id == row.id).values(fallback_delivery_id=mail_id)
    )
    return int(row.stand_in)
