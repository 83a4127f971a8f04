"""What the end of an attempt of a mail changes: attempt, delivery, recipients, lane."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from app.channels.base import ChannelError, Receipt
from app.domain.kinds import (
    Fail,
    RecipientState,
    Verdict,
)
from app.domain.outcome import settle
from app.services import other_errors, outbox
from app.services.deliver.effects import (
    back_to_normal,
    deliver,
    hold_lane,
    release,
    store_recipients,
    wait_for_pass,
)
from app.services.deliver.ended import Ended, note
from app.services.lanes import Lease
from app.services.other_errors import OtherError


def store(connection: Connection, lease: Lease, ended: Ended, now: datetime) -> list[int]:
    """Store the end of an attempt in the caller's transaction; returns other lanes to wake then.

    Idempotent by the lease's token: a late verdict is noted on its attempt only, but a success
    still makes the row delivered, as it was (delivery.md, A delivery).
    """
    if isinstance(ended.outcome, Receipt):
        _store_receipt(connection, lease, ended, ended.outcome, now)
        return []
    return _store_error(connection, lease, ended, ended.outcome, now)


def _store_receipt(
    connection: Connection, lease: Lease, ended: Ended, receipt: Receipt, now: datetime
) -> None:
    said = {verdict.address: verdict.state for verdict in receipt.recipients}
    settled = settle(dict(ended.known), said)
    anyone = RecipientState.ACCEPTED in said.values()
    note(
        connection,
        ended,
        now,
        verdict=Verdict.OK if anyone else Verdict.FAILED,
        reason=None if anyone else Fail.CLIENT_ERROR,
        status=receipt.status,
        answer=receipt.answer,
        transcript=receipt.transcript,
    )
    if settled.delivered:
        ours = deliver(connection, lease, ended, receipt, now)
    else:
        ours = wait_for_pass(connection, lease, ended)
    if ours:
        store_recipients(connection, ended, receipt, settled.recipients, now)
        _report_refusals(connection, lease, ended, receipt, now)
    if ended.probe and anyone:
        back_to_normal(connection, lease, now)


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
            f"{verdict.code} {verdict.text}. {verdict.advice}".rstrip(". ")
            + ".",
            about=verdict.address,
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


def _store_error(
    connection: Connection, lease: Lease, ended: Ended, error: ChannelError, now: datetime
) -> list[int]:
    note(
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
        if release(connection, lease, ended) and ended.stands:
            return hold_lane(connection, lease, error, now)
    elif wait_for_pass(connection, lease, ended):
        problem = OtherError(lease.system_id, ended.integration_id, error.reason, str(error))
        other_errors.record(connection, [problem], now)
    return []
