"""Deliveries outside of sending: cancelled by people, quarantined when they end their worker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from app.clock import utc_now
from app.domain.kinds import (
    FINAL_STATES,
    DeliveryState,
    EndReason,
    Fail,
    FailureState,
    Kind,
)
from app.errors import Conflict, NotFound
from app.models import IS_OPEN, Delivery, DeliveryItem, Failure, IntegrationDirection, Lane
from app.services import audit
from app.services.installation import Installation
from app.services.other_errors import OtherError, record
from app.services.sql import among, one_id


def cancellable() -> ColumnElement[bool]:
    """Return the condition of deliveries that are not being sent at this moment."""
    return and_(IS_OPEN, or_(Delivery.state != DeliveryState.LEASED, Delivery.started.is_(False)))


def cancel(site: Installation, delivery_id: int, actor: str) -> None:
    """Cancel one delivery that is not being sent; raises NotFound, Conflict. One transaction."""
    with site.store.writing() as connection:
        state = connection.scalar(select(Delivery.state).where(Delivery.id == delivery_id))
        if state is None:
            raise NotFound(f"There is no delivery {delivery_id}.")
        done = cancel_where(connection, Delivery.id == delivery_id, EndReason.OPERATOR)
        if not done:
            raise Conflict(f"Delivery {delivery_id} is {state}; only what waits can be cancelled.")
        audit.record(connection, actor, "cancel", "delivery", str(delivery_id), None, None)


def cancel_where(
    connection: Connection, which: ColumnElement[bool], reason: EndReason
) -> Sequence[int]:
    """Cancel the deliveries of `which` that wait, and free the failures they would have told.

    Returns their ids; in the caller's transaction. What is being sent at this moment is left alone.
    """
    lock_told(connection, which)
    table = Delivery.__table__
    ids = connection.scalars(
        table.update()
        .where(which, cancellable())
        .values(
            state=DeliveryState.CANCELLED,
            reason=reason,
            finished_at=utc_now(),
            lease_token=None,
            lease_until=None,
            draft=None,
        )
        .returning(table.c.id)
    ).all()
    forget_told(connection, ids)
    return ids


def lock_told(connection: Connection, which: ColumnElement[bool]) -> None:
    """Lock the directions of open deliveries, as intake does, before what they told is changed.

    Otherwise (on PostgreSQL) intake could write back what it read before.
    """
    columns = (Delivery.integration_id, Delivery.direction)
    pairs = connection.execute(select(*columns).where(which, IS_OPEN).distinct()).all()
    table = IntegrationDirection
    connection.execute(
        select(table.id)
        .where(table.integration_id.in_({row.integration_id for row in pairs}))
        .order_by(table.id)
        .with_for_update()
    )


def move(connection: Connection, delivery_id: int, token: str, system_id: int) -> int | None:
    """Hand a claimed mail to the lane of the system that its registration names now.

    Returns that lane; None when the delivery was not ours any more, in the caller's transaction.
    """
    table = Delivery.__table__
    lane = select(Lane.id).where(Lane.system_id == system_id, Lane.row.is_(None)).scalar_subquery()
    return one_id(
        connection,
        table.update()
        .where(
            table.c.id == delivery_id,
            table.c.state == DeliveryState.LEASED,
            table.c.lease_token == token,
        )
        .values(state=DeliveryState.PENDING, system_id=system_id, lane_id=lane, lease_token=None)
        .returning(table.c.lane_id),
    )


def unclaim(connection: Connection, delivery_id: int, token: str) -> None:
    """Give back a claimed delivery that was not started, in the caller's transaction."""
    table = Delivery.__table__
    connection.execute(
        table.update()
        .where(
            table.c.id == delivery_id,
            table.c.state == DeliveryState.LEASED,
            table.c.lease_token == token,
        )
        .values(state=DeliveryState.PENDING, lease_token=None)
    )


def forget_told(connection: Connection, delivery_ids: Sequence[int]) -> None:
    """Let the failures and directions of deliveries that will not go be told again.

    A direction goes back to the last mail of its episode that was sent, if there is one.
    """
    if not delivery_ids:
        return
    table, item = Failure.__table__, DeliveryItem.__table__
    told = select(item.c.failure_id).where(among(connection, item.c.delivery_id, delivery_ids))
    connection.execute(
        table.update()
        .where(table.c.id.in_(told), among(connection, table.c.told_delivery_id, delivery_ids))
        .values(told_episode=None, told_delivery_id=None)
    )
    direction, mail = IntegrationDirection.__table__, Delivery.__table__
    whose = select(mail.c.integration_id).where(among(connection, mail.c.id, delivery_ids))
    sent = (
        select(func.max(table.c.notified_delivery_id))
        .where(
            table.c.direction_id == direction.c.id,
            table.c.kind == Kind.GLOBAL,
            table.c.state == FailureState.OPEN,
            table.c.notified_at >= direction.c.episode_since,
        )
        .scalar_subquery()
    )
    connection.execute(
        direction.update()
        .where(
            direction.c.integration_id.in_(whose),
            among(connection, direction.c.told_delivery_id, delivery_ids),
        )
        .values(told_delivery_id=sent)
    )


def quarantine(connection: Connection, delivery_id: int, lost: int, now: datetime) -> None:
    """End a delivery that ended its worker `lost` times, visibly, in the caller's transaction."""
    lock_told(connection, Delivery.id == delivery_id)
    bury(
        connection,
        delivery_id,
        EndReason.QUARANTINED,
        f"Delivery {delivery_id} ended its worker {lost} times in mid-send; it is quarantined. "
        "The next report of its failure is told anew.",
        now,
    )
    forget_told(connection, [delivery_id])
    table = Delivery.__table__
    connection.execute(
        table.update().where(table.c.id == delivery_id).values(lost_leases=lost, started=False)
    )


def reject(connection: Connection, delivery_id: int, text: str, now: datetime) -> None:
    """End a delivery that can never be sent as it is, in the caller's transaction."""
    lock_told(connection, Delivery.id == delivery_id)
    bury(connection, delivery_id, EndReason.REJECTED, text, now)
    forget_told(connection, [delivery_id])


def bury(
    connection: Connection, delivery_id: int, reason: EndReason, text: str, now: datetime
) -> None:
    """End a delivery as dead, with an other error that says why, in the caller's transaction."""
    table = Delivery.__table__
    row = connection.execute(
        table.update()
        .where(table.c.id == delivery_id, table.c.state.not_in(FINAL_STATES))
        .values(
            state=DeliveryState.DEAD,
            reason=reason,
            finished_at=now,
            started=False,
            lease_token=None,
            lease_until=None,
        )
        .returning(table.c.system_id, table.c.integration_id)
    ).first()
    if row is not None:
        about = f"delivery {delivery_id}"
        error = OtherError(row.system_id, row.integration_id, Fail.OTHER, text, about)
        record(connection, [error], now)
