"""What a verdict does to the rows: recipients, the delivery, the failures it told, the lane."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, func, or_, select

from app.channels.base import ChannelError, Receipt
from app.domain.kinds import (
    FINAL_STATES,
    DeliveryState,
    FailureState,
    Kind,
    LaneState,
    RecipientState,
)
from app.models import Delivery, DeliveryItem, DeliveryRecipient, Failure, Lane
from app.services import fallback, other_errors
from app.services.deliver.ended import Ended
from app.services.lanes import NORMAL, Lease
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
    .where(
        Failure.id.in_(select(DeliveryItem.failure_id).where(DeliveryItem.delivery_id == _MAIL)),
        # An entity that had succeeded before was left out of its mail (product.md 4).
        or_(Failure.kind == Kind.GLOBAL, Failure.state == FailureState.OPEN),
    )
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
) -> bool:
    """Mark delivered, unless it is final already (False); the failures it told are notified."""
    values = {"mail": ended.delivery_id, "now": now}
    done = connection.execute(
        _DELIVERED, {**values, "about": ended.subject, "proved": receipt.confirmed}
    )
    if not done.rowcount:
        return False
    connection.execute(_NOTIFIED, values)
    if ended.readdressed:
        forget_former(connection, ended.delivery_id)
    other_errors.resolve(connection, lease.system_id, ended.integration_id)
    return True


def forget_former(connection: Connection, delivery_id: int) -> None:
    """Forget who was put off and is no recipient any more: nobody waits for a delivered mail."""
    table = DeliveryRecipient.__table__
    connection.execute(
        table.delete().where(
            table.c.delivery_id == delivery_id,
            table.c.state.in_((RecipientState.PENDING, RecipientState.DEFERRED)),
        )
    )


def complete(connection: Connection, delivery_id: int, now: datetime) -> None:
    """Mark delivered what all who are still recipients have got already."""
    subject = select(Delivery.subject).where(Delivery.id == delivery_id).scalar_subquery()
    values = {"mail": delivery_id, "now": now}
    about = connection.scalar(select(subject))
    if connection.execute(_DELIVERED, {**values, "about": about, "proved": False}).rowcount:
        connection.execute(_NOTIFIED, values)
        forget_former(connection, delivery_id)


def wait_for_pass(connection: Connection, lease: Lease, ended: Ended) -> bool:
    """Give the delivery back; it is tried again by the next pass. False: it was not ours."""
    return release(connection, lease, ended, due_at=None)


def release(connection: Connection, lease: Lease, ended: Ended, **values: object) -> bool:
    """Give the delivery back, unless the lease was lost (False); `values` change it on the way."""
    table = Delivery.__table__
    done = connection.execute(
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
            # It has ended with a verdict: whatever ended its worker before is over.
            lost_leases=0,
            **values,
        )
    )
    return bool(done.rowcount)


def back_to_normal(connection: Connection, lease: Lease, now: datetime) -> None:
    """A success whose attempt began after the failure ends retrying; all that waits goes now."""
    table = Lane.__table__
    connection.execute(
        table.update()
        .where(table.c.id == lease.lane_id, table.c.lease_token == lease.token)
        .values(NORMAL | {"since": now})
    )


def hold_lane(
    connection: Connection, lease: Lease, error: ChannelError, now: datetime
) -> list[int]:
    """The failure stands for all that was due: they wait for the pass, untouched (delivery.md).

    Returns the lanes to wake: that of a fallback system which tells of it.
    """
    # One query a state: SQLite uses a partial index for `state = ?`, and none for a list of states.
    rows = [
        row
        for state in (DeliveryState.PENDING, DeliveryState.LEASED)
        for row in connection.execute(
            select(Delivery.integration_id, func.max(Delivery.id).label("latest"))
            .where(
                Delivery.lane_id == lease.lane_id,
                Delivery.state == state,
                Delivery.due_at.is_not(None),
            )
            .group_by(Delivery.integration_id)
        )
    ]
    problems = {
        row.integration_id: OtherError(
            lease.system_id, row.integration_id, error.reason, str(error)
        )
        for row in rows
    }
    other_errors.record(connection, problems.values(), now)
    table = Lane.__table__
    connection.execute(
        table.update()
        .where(table.c.id == lease.lane_id, table.c.lease_token == lease.token)
        .values(
            state=LaneState.RETRYING,
            since=now if lease.state is not LaneState.RETRYING else table.c.since,
            round=table.c.round + 1,
            held_id=max((row.latest for row in rows), default=0),
            next_try_at=None,
            error_reason=error.reason,
            error_text=str(error),
            error_at=now,
        )
    )
    return fallback.tell(connection, now, lease.lane_id)
