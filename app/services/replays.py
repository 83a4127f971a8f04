"""Sending a final delivery again: a new row that names its parent, also through another system.

What it says is made from its events or failures when it is sent, as they are then.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, literal, or_, select

from app.clock import utc_now
from app.domain.kinds import (
    FINAL_STATES,
    DeliveryKind,
    DeliveryState,
    FailureState,
    Kind,
)
from app.errors import Conflict, NotFound
from app.models import (
    Delivery,
    DeliveryEvent,
    DeliveryItem,
    Event,
    Failure,
    IntegrationDirection,
    Lane,
    System,
)
from app.services import audit
from app.services.installation import Installation
from app.services.new_delivery import fresh
from app.services.replay_ways import invalid, through, told_by
from app.services.restored_mail import recovered_at
from app.services.sql import insert_returning, patiently

_SAME = (
    "kind integration_id direction why episode_since occurrences silent_since limit_minutes "
    "about_system_id event_id"
).split()
_OF_FAILURES = (DeliveryKind.FAILURE, DeliveryKind.DIGEST)
_WAY = (IntegrationDirection.integration_id == Delivery.integration_id) & (
    IntegrationDirection.direction == Delivery.direction
)
# Statements are built once: building one costs more than running it.
_PARENT = (
    select(
        Delivery.__table__,
        Lane.row.label("row"),
        System.name.label("system"),
        IntegrationDirection.episode_since.label("fails_since"),
        IntegrationDirection.last_activity_at,
    )
    .outerjoin(System, System.id == Delivery.system_id)
    .outerjoin(Lane, Lane.id == Delivery.lane_id)
    .outerjoin(IntegrationDirection, _WAY)
    .where(Delivery.id == bindparam("parent"))
)
_INSTEAD = {
    DeliveryState.PENDING: "waits still: Try now of its lane sends it at once, or cancel it before",
    DeliveryState.STORED: "goes with the next success of its lane: Try now of the lane asks for "
    "one, or cancel it before",
    DeliveryState.LEASED: "is being sent at this moment: wait for its end",
}


@dataclass(frozen=True)
class Made:
    """A delivery that follows another, and the lane to wake for it after the commit."""

    id: int
    lane_id: int


def replay(site: Installation, delivery_id: int, actor: str, system: str | None = None) -> int:
    """Send a final delivery again, through `system` (by name) or the same; returns the new one.

    It has a clock of its own. Not idempotent: whoever asks twice gets two. Raises NotFound,
    Conflict (it waits still, or what it told is gone), Invalid. One transaction, with its entry in
    the audit log.
    """
    made = patiently(partial(_audited, site, delivery_id, actor, system))
    site.alarm.wake([str(made.lane_id)])
    return made.id


def _audited(site: Installation, delivery_id: int, actor: str, system: str | None) -> Made:
    with site.store.writing() as connection:
        made = follow(connection, delivery_id, actor, system)
        after = {"delivery": str(made.id), "system": system}
        audit.record(connection, actor, "replay", "delivery", str(delivery_id), None, after)
    return made


def follow(connection: Connection, delivery_id: int, actor: str, system: str | None = None) -> Made:
    """Make the delivery that follows a final one, in the caller's transaction; as `replay` does.

    Nothing was written where it raises.
    """
    now = utc_now()
    parent = _final(connection, delivery_id)
    count = _left(connection, parent)
    way = through(connection, parent, system, now)
    values = {name: getattr(parent, name) for name in _SAME}
    row = fresh(
        now,
        **values,
        system_id=way.system_id,
        lane_id=way.lane_id,
        parent_id=parent.id,
        # The cell, or the rule, stays the reason: what belongs to a cell goes when it goes.
        why_text=f"Sent again by {actor}.",
        recovered_at=recovered_at(parent),
        item_count=count,
        due_at=now,
    )
    (made,) = insert_returning(connection, Delivery.__table__, [row])
    _copy(connection, parent, made)
    return Made(made, way.lane_id)


def _final(connection: Connection, delivery_id: int) -> Any:
    parent = connection.execute(_PARENT, {"parent": delivery_id}).first()
    if parent is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    if parent.kind is DeliveryKind.TEST:
        raise invalid("", "is a test, which is not sent again: test it again")
    if parent.state not in FINAL_STATES:
        raise Conflict(f"Delivery {delivery_id} {_INSTEAD[parent.state]}.")
    return parent


def _left(connection: Connection, parent: Any) -> int:
    """Return how much of what it told is still there to be told; raises Conflict for nothing."""
    if parent.kind is DeliveryKind.EVENT:
        count = connection.scalar(told_by(parent, func.count())) or 0
        if not count:
            raise Conflict(
                f"The events of delivery {parent.id} are not there any more: they were deleted, "
                "or are too old."
            )
        return count
    items = _items(parent.id)
    if parent.kind in _OF_FAILURES:
        # An entity that succeeded meanwhile is left out of its mail (product.md 4).
        open_ones = or_(Failure.kind == Kind.GLOBAL, Failure.state == FailureState.OPEN)
        if not connection.scalar(items.where(open_ones)):
            raise Conflict(
                f"Delivery {parent.id} has nothing to tell any more: its failures are resolved or "
                "deleted."
            )
    return connection.scalar(items) or 0


def _items(delivery_id: int) -> Select[Any]:
    return (
        select(func.count())
        .select_from(DeliveryItem)
        .join(Failure, Failure.id == DeliveryItem.failure_id)
        .where(DeliveryItem.delivery_id == delivery_id)
    )


def _copy(connection: Connection, parent: Any, made: int) -> None:
    """Let it tell what its parent told, as far as that is still there; one event is in its row."""
    if parent.kind is not DeliveryKind.EVENT:
        _link(connection, DeliveryItem.__table__, Failure.id, parent.id, made)
    elif parent.event_id is None:
        _link(connection, DeliveryEvent.__table__, Event.id, parent.id, made)


def _link(connection: Connection, table: Any, told: Any, parent_id: int, made: int) -> None:
    ours, theirs = table.primary_key.columns
    left = select(_id(made), theirs).join(told.table, told == theirs).where(ours == parent_id)
    connection.execute(table.insert().from_select([ours.name, theirs.name], left))


def _id(value: int) -> ColumnElement[int]:
    return literal(value, Delivery.__table__.c.id.type)
