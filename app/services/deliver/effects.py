"""What a verdict does to the rows: recipients, the delivery, the failures it told, the lane."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from app.channels.base import ChannelError, Receipt
from app.domain.kinds import FINAL_STATES, DeliveryState, LaneState, RecipientState
from app.models import Delivery, DeliveryItem, DeliveryRecipient, Failure, Lane
from app.services import other_errors
from app.services.deliver.ended import Ended
from app.services.lanes import Lease
from app.services.other_errors import OtherError
from app.services.sql import insert


def store_recipients(
    connection: Connection,
    ended: Ended,
    receipt: Receipt,
    states: Mapping[str, RecipientState],
    now: datetime,
) -> None:
    """Keep what the server said of each recipient."""
    table = DeliveryRecipient.__table__
    statement = insert(connection, table)
    rows = [
        {
            "delivery_id": ended.delivery_id,
            "address": verdict.address,
            "role": ended.roles.get(verdict.address, "to"),
            "state": states[verdict.address],
            "code": verdict.code,
            "text": verdict.text,
            "at": now,
        }
        for verdict in receipt.recipients
    ]
    if rows:
        changed = {
            name: statement.excluded[name] for name in ("role", "state", "code", "text", "at")
        }
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["delivery_id", "address"], set_=changed
            ),
            rows,
        )


def deliver(
    connection: Connection, lease: Lease, ended: Ended, receipt: Receipt, now: datetime
) -> None:
    """Mark delivered, unless it is final already; then the failures it told are notified."""
    table = Delivery.__table__
    done = connection.execute(
        table.update()
        .where(table.c.id == ended.delivery_id, table.c.state.not_in(FINAL_STATES))
        .values(
            state=DeliveryState.DELIVERED,
            finished_at=now,
            subject=ended.subject,
            confirmed=receipt.confirmed,
            started=False,
            lease_token=None,
            lease_until=None,
        )
    )
    if not done.rowcount:
        return
    _notify(connection, ended.delivery_id, now)
    other_errors.resolve(connection, lease.system_id, ended.integration_id)


def _notify(connection: Connection, delivery_id: int, now: datetime) -> None:
    table, item = Failure.__table__, DeliveryItem.__table__
    told = select(item.c.failure_id).where(item.c.delivery_id == delivery_id)
    connection.execute(
        table.update()
        .where(table.c.id.in_(told))
        .values(notified_at=now, notified_delivery_id=delivery_id)
    )


def wait_for_pass(connection: Connection, lease: Lease, ended: Ended) -> None:
    """Give the delivery back; it is tried again by the next pass."""
    release(connection, lease, ended, due_at=None)


def release(connection: Connection, lease: Lease, ended: Ended, **values: object) -> None:
    """Give the delivery back, unless the lease was lost; `values` change it on the way."""
    table = Delivery.__table__
    connection.execute(
        table.update()
        .where(
            table.c.id == ended.delivery_id,
            table.c.state == DeliveryState.LEASED,
            table.c.lease_token == lease.token,
        )
        .values(
            state=DeliveryState.PENDING,
            subject=ended.subject or table.c.subject,
            started=False,
            lease_token=None,
            lease_until=None,
            **values,
        )
    )


def back_to_normal(connection: Connection, lease: Lease, now: datetime) -> None:
    """A success whose attempt began after the failure ends retrying; all that waits goes now."""
    table = Lane.__table__
    connection.execute(
        table.update()
        .where(table.c.id == lease.lane_id, table.c.lease_token == lease.token)
        .values(
            state=LaneState.NORMAL,
            since=now,
            round=0,
            held_at=None,
            next_try_at=None,
            error_reason=None,
            error_text=None,
            error_at=None,
        )
    )


def hold_lane(connection: Connection, lease: Lease, error: ChannelError, now: datetime) -> None:
    """The failure stands for all that was due: they wait for the pass, untouched (delivery.md)."""
    affected = connection.scalars(
        select(Delivery.integration_id)
        .where(
            Delivery.lane_id == lease.lane_id,
            Delivery.state.in_((DeliveryState.PENDING, DeliveryState.LEASED)),
            Delivery.due_at.is_not(None),
        )
        .distinct()
    ).all()
    other_errors.record(
        connection,
        [OtherError(lease.system_id, one, error.reason, str(error)) for one in affected],
        now,
    )
    table = Lane.__table__
    connection.execute(
        table.update()
        .where(table.c.id == lease.lane_id, table.c.lease_token == lease.token)
        .values(
            state=LaneState.RETRYING,
            since=now if lease.state is not LaneState.RETRYING else table.c.since,
            round=table.c.round + 1,
            held_at=now,
            next_try_at=None,
            error_reason=error.reason,
            error_text=str(error),
            error_at=now,
        )
    )
