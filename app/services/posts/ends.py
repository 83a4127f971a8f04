"""What the end of an attempt does to a lane with a retry policy, its message and the others."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from app.channels.base import ChannelError, Receipt
from app.domain.kinds import (
    DeliveryState,
    Fault,
    LaneState,
    Verdict,
)
from app.domain.lane import (
    leave,
)
from app.models import IS_OPEN, IS_PENDING, IS_STORED, Delivery
from app.services import other_errors, outbox
from app.services.deliver.ended import Ended, note
from app.services.hot import Hot
from app.services.installation import Installation
from app.services.lanes import Lease
from app.services.posts import standing
from app.services.posts.failing import Failure

_TABLE = Delivery.__table__
_MESSAGE: Any = bindparam("message")
_IN_LANE = _TABLE.c.lane_id == bindparam("lane")
_OURS = (
    _TABLE.c.id == _MESSAGE,
    _TABLE.c.state == DeliveryState.LEASED,
    _TABLE.c.lease_token == bindparam("token"),
)
# Statements of the hot path are built once: building one costs more than running it.
_DELIVERED = Hot(
    _TABLE.update()
    # In words: a list of values is no plain parameter.
    .where(_TABLE.c.id == _MESSAGE, IS_OPEN)
    .values(
        state=DeliveryState.DELIVERED,
        finished_at=bindparam("now"),
        confirmed=bindparam("proved"),
        started=False,
        lease_token=None,
        lease_until=None,
    )
)
_STANDS = select(_TABLE.c.fault, _TABLE.c.retries_used).where(*_OURS)
_OF_MESSAGE = _TABLE.c.fault == Fault.MESSAGE
# What was stored for its own reason has its own time again, once the endpoint has taken something.
_TIMED = _TABLE.update().where(_IN_LANE, IS_STORED, _OF_MESSAGE).values(state=DeliveryState.PENDING)
_HURRIED = (
    _TABLE.update()
    .where(_IN_LANE, IS_PENDING, _TABLE.c.fault == Fault.ENDPOINT)
    .values(due_at=bindparam("now"))
)


def store(
    connection: Connection, site: Installation, lease: Lease, ended: Ended, now: datetime
) -> list[int]:
    """Store the end of an attempt in the caller's transaction; returns other lanes to wake then.

    Idempotent by the lease's token: a late verdict is noted on its attempt only, but a success
    still makes the row delivered, as it was (delivery.md, A delivery).
    """
    if isinstance(ended.outcome, Receipt):
        _succeed(connection, lease, ended, ended.outcome, now)
        return []
    return _fail(connection, site, lease, ended, ended.outcome, now)


def _succeed(
    connection: Connection, lease: Lease, ended: Ended, receipt: Receipt, now: datetime
) -> None:
    note(
        connection,
        ended,
        now,
        verdict=Verdict.OK,
        reason=None,
        status=receipt.status,
        answer=receipt.answer,
        transcript=receipt.transcript,
    )
    if ended.probe:
        _leave(connection, lease, now)
    values = {"message": ended.delivery_id, "now": now, "proved": receipt.confirmed}
    _DELIVERED.run(connection, values)


def _leave(connection: Connection, lease: Lease, now: datetime) -> None:
    """A success whose attempt began in retry ends it, and all that waits goes (S2)."""
    found = standing.owned(connection, lease.lane_id, lease.token)
    if found is None or found[0].state is not LaneState.RETRYING:
        return
    lane, row = found
    standing.write(connection, lease.lane_id, leave(lane, now))
    standing.forget_error(connection, lease.lane_id)
    values = {"lane": lease.lane_id}
    if lane.policy.alone:
        connection.execute(_HURRIED, {**values, "now": now})
    else:
        connection.execute(_TIMED, values)
    other_errors.resolve(connection, lease.system_id, None, row)


def _fail(  # noqa: PLR0913, PLR0917 - what an attempt met
    connection: Connection,
    site: Installation,
    lease: Lease,
    ended: Ended,
    error: ChannelError,
    now: datetime,
) -> list[int]:
    note(
        connection,
        ended,
        now,
        # S2: anything but a 2XX is not success, a time-out included.
        verdict=Verdict.FAILED,
        reason=error.reason,
        status=error.status,
        answer=str(error),
        transcript=error.transcript,
    )
    if ended.unreadable or error.permanent:
        outbox.reject(connection, ended.delivery_id, str(error), now)
        return []
    found = standing.owned(connection, lease.lane_id, lease.token)
    ours = {"message": ended.delivery_id, "token": lease.token}
    message = connection.execute(_STANDS, ours).first()
    if found is None or message is None:
        return []
    lane, row = found
    failure = Failure(connection, site, lease, row, ended, error, now)
    failure.release(failure.next_of(lane, message))
    return failure.on_lane(lane)
