"""What the end of an attempt changes: the attempt, its delivery, its recipients, its lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from app.channels.base import ChannelError, Receipt
from app.domain.kinds import (
    DeliveryState,
    Fail,
    LaneState,
    RecipientState,
    Verdict,
)
from app.domain.outcome import settle
from app.models import Attempt, Delivery, DeliveryItem, DeliveryRecipient, Failure, Lane
from app.services import other_errors, outbox
from app.services.lanes import Lease
from app.services.other_errors import OtherError
from app.services.sql import insert

MOST_KEPT = 8_000


@dataclass(frozen=True)
class Ended:
    """How one attempt ended.

    `stands` is whether a failure of the endpoint stands for all that was due with it (not when an
    additional connection of a working lane failed). `probe`: the lane was retrying when it began,
    so that a success ends that. `unreadable`: it can never be sent as it is.
    """

    delivery_id: int
    integration_id: int | None
    number: int
    began_at: datetime
    duration_ms: int
    outcome: Receipt | ChannelError
    subject: str | None = None
    request: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, RecipientState] = field(default_factory=dict)
    stands: bool = True
    probe: bool = False
    unreadable: bool = False


def store(connection: Connection, lease: Lease, ended: Ended, now: datetime) -> None:
    """Store the end of an attempt in the caller's transaction.

    Idempotent by the lease's token: a late verdict is noted on its attempt only, but a success
    still makes the row delivered, as it was (delivery.md, A delivery).
    """
    if isinstance(ended.outcome, Receipt):
        _store_receipt(connection, lease, ended, ended.outcome, now)
    else:
        _store_error(connection, lease, ended, ended.outcome, now)


def _store_receipt(
    connection: Connection, lease: Lease, ended: Ended, receipt: Receipt, now: datetime
) -> None:
    said = {verdict.address: verdict.state for verdict in receipt.recipients}
    settled = settle(dict(ended.known), said)
    anyone = RecipientState.ACCEPTED in said.values()
    _note(
        connection,
        ended,
        now,
        verdict=Verdict.OK if anyone else Verdict.FAILED,
        reason=None if anyone else Fail.CLIENT_ERROR,
        status=receipt.status,
        answer=receipt.answer,
        transcript=receipt.transcript,
    )
    _store_recipients(connection, ended, receipt, settled.recipients, now)
    if settled.delivered:
        _deliver(connection, lease, ended, receipt, now)
    else:
        _wait_for_pass(connection, lease, ended)
    _report_refusals(connection, lease, ended, receipt, now)
    if ended.probe and anyone:
        _back_to_normal(connection, lease, now)


def _store_recipients(
    connection: Connection,
    ended: Ended,
    receipt: Receipt,
    states: Mapping[str, RecipientState],
    now: datetime,
) -> None:
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


def _deliver(
    connection: Connection, lease: Lease, ended: Ended, receipt: Receipt, now: datetime
) -> None:
    """Mark delivered, unless it is final already; then the failures it told are notified."""
    table = Delivery.__table__
    final = (DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.CANCELLED)
    done = connection.execute(
        table.update()
        .where(table.c.id == ended.delivery_id, table.c.state.not_in(final))
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


def _wait_for_pass(connection: Connection, lease: Lease, ended: Ended) -> None:
    _release(connection, lease, ended, due_at=None)


def _release(connection: Connection, lease: Lease, ended: Ended, **values: object) -> None:
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


def _report_refusals(
    connection: Connection, lease: Lease, ended: Ended, receipt: Receipt, now: datetime
) -> None:
    """Raise one other error for each address that was refused for good (product.md 6)."""
    refused = [
        OtherError(
            lease.system_id,
            ended.integration_id,
            Fail.CLIENT_ERROR,
            f"The mail server refuses the recipient {verdict.address}: "
            f"{verdict.code} {verdict.text}",
            address=verdict.address,
        )
        for verdict in receipt.recipients
        if verdict.state is RecipientState.REJECTED
    ]
    waits = [verdict for verdict in receipt.recipients if verdict.state is RecipientState.DEFERRED]
    if waits:
        text = (
            f"The mail server put off {len(waits)} recipients, the first is {waits[0].address}: "
            f"{waits[0].code} {waits[0].text}. They are asked again at the next dispatch pass."
        )
        refused.append(OtherError(lease.system_id, ended.integration_id, Fail.SERVER_ERROR, text))
    other_errors.record(connection, refused, now)


def _back_to_normal(connection: Connection, lease: Lease, now: datetime) -> None:
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


def _store_error(
    connection: Connection, lease: Lease, ended: Ended, error: ChannelError, now: datetime
) -> None:
    _note(
        connection,
        ended,
        now,
        verdict=Verdict.UNKNOWN if error.maybe_sent else Verdict.FAILED,
        reason=error.reason,
        status=error.status,
        answer=str(error),
        transcript=error.transcript,
    )
    if ended.unreadable:
        outbox.reject(connection, ended.delivery_id, str(error), now)
    elif error.endpoint:
        _release(connection, lease, ended)
        if ended.stands:
            _hold_lane(connection, lease, error, now)
    else:
        _wait_for_pass(connection, lease, ended)
        problem = OtherError(lease.system_id, ended.integration_id, error.reason, str(error))
        other_errors.record(connection, [problem], now)


def _hold_lane(connection: Connection, lease: Lease, error: ChannelError, now: datetime) -> None:
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


def _note(connection: Connection, ended: Ended, now: datetime, **values: object) -> None:
    """Write the verdict on the attempt, or fold it into an equal one before it."""
    table = Attempt.__table__
    mine = (table.c.delivery_id == ended.delivery_id, table.c.number == ended.number)
    for name in ("answer", "transcript"):
        values[name] = str(values[name] or "")[:MOST_KEPT] or None
    if values["verdict"] is Verdict.FAILED and _fold(connection, ended, now, values):
        connection.execute(table.delete().where(*mine))
        return
    connection.execute(
        table.update()
        .where(*mine)
        .values(duration_ms=ended.duration_ms, last_at=now, request=ended.request, **values)
    )


def _fold(
    connection: Connection, ended: Ended, now: datetime, values: Mapping[str, object]
) -> bool:
    """Count an equal failure on the attempt row before; return whether there was one."""
    table = Attempt.__table__
    before = (
        select(table.c.number)
        .where(table.c.delivery_id == ended.delivery_id, table.c.number < ended.number)
        .order_by(table.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    done = connection.execute(
        table.update()
        .where(
            table.c.delivery_id == ended.delivery_id,
            table.c.number == before,
            table.c.verdict == Verdict.FAILED,
            table.c.reason == values["reason"],
            table.c.status == values["status"],
            table.c.answer == values["answer"],
        )
        .values(
            count=table.c.count + 1,
            last_at=now,
            duration_ms=ended.duration_ms,
            transcript=values["transcript"],
        )
    )
    return bool(done.rowcount)
