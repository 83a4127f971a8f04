"""What a verdict does to the rows: recipients, the delivery, the failures it told, the lane."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, select

from app.channels.base import ChannelError, Receipt
from app.domain.kinds import FINAL_STATES, DeliveryState, LaneState, RecipientState
from app.models import Delivery, DeliveryItem, DeliveryRecipient, Failure, Lane
from app.services import other_errors
from app.services.deliver.ended import Ended
from app.services.lanes import Lease
from app.services.other_errors import OtherError
from app.services.sql import upsert

_MAIL: BindParameter[int] = bindparam("mail")
_NOW: BindParameter[datetime] = bindparam("now")

# What every mail needs is built once: building a statement costs more than running it.
_DELIVERED = (
    Delivery.__table__.update()
    .where(Delivery.id == _MAIL, Delivery.state.not_in(FINAL_STATES))
    .values(
        state=DeliveryState.DELIVERED,
        finished_at=_NOW,
        subject=bindparam("about"),
        confirmed=bindparam("proved"),
        started=False,
        lease_token=None,
        lease_until=None,
    )
)
_NOTIFIED = (
    Failure.__table__.update()
    .where(Failure.id.in_(select(DeliveryItem.failure_id).where(DeliveryItem.delivery_id == _MAIL)))
    .values(notified_at=_NOW, notified_delivery_id=_MAIL)
)


def store_recipients(
    connection: Connection,
    ended: Ended,
    receipt: Receipt,
    states: Mapping[str, RecipientState],
    now: datetime,
) -> None:
    """Keep what the server said of each recipient."""
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
    upsert(connection, DeliveryRecipient.__table__, ("delivery_id", "address"), rows)


def deliver(
    connection: Connection, lease: Lease, ended: Ended, receipt: Receipt, now: datetime
) -> None:
    """Mark delivered, unless it is final already; then the failures it told are notified."""
    values = {"mail": ended.delivery_id, "now": now}
    done = connection.execute(
        _DELIVERED, {**values, "about": ended.subject, "proved": receipt.confirmed}
    )
    if not done.rowcount:
        return
    connection.execute(_NOTIFIED, values)
    other_errors.resolve(connection, lease.system_id, ended.integration_id)


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
    # One query a state: SQLite uses a partial index for `state = ?`, and none for a list of states.
    affected = {
        integration
        for state in (DeliveryState.PENDING, DeliveryState.LEASED)
        for integration in connection.scalars(
            select(Delivery.integration_id)
            .where(
                Delivery.lane_id == lease.lane_id,
                Delivery.state == state,
                Delivery.due_at.is_not(None),
            )
            .distinct()
        )
    }
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
