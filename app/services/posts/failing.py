"""A failed attempt in a lane with a retry policy: what it counts for, and whom it holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from app.channels.base import ChannelError
from app.domain.kinds import DeliveryState, EndReason, Fault
from app.domain.lane import (
    Cause,
    LaneStanding,
    MessageStanding,
    Next,
    after_failure,
    answered,
    hold,
)
from app.domain.retry import pause
from app.models import IS_LEASED, IS_PENDING, Delivery, Lane
from app.services import fallback, other_errors
from app.services.deliver.ended import Ended, Tried
from app.services.installation import Installation
from app.services.lanes import Lease
from app.services.other_errors import OtherError
from app.services.posts import standing
from app.services.posts.expiry import last_chance

_TABLE = Delivery.__table__
_IN_LANE = _TABLE.c.lane_id == bindparam("lane")
_OF_MESSAGE = _TABLE.c.fault == Fault.MESSAGE
_LATEST = [
    select(func.max(_TABLE.c.id)).where(_IN_LANE, IS_PENDING, _TABLE.c.due_at <= bindparam("now")),
    select(func.max(_TABLE.c.id)).where(_IN_LANE, IS_LEASED),
]
# With a clock of its own, a message that was due with a failed round has used a retry as well.
_COUNTED = (
    _TABLE.update()
    .where(_IN_LANE, IS_PENDING, _OF_MESSAGE, _TABLE.c.due_at <= bindparam("now"))
    .values(retries_used=_TABLE.c.retries_used + 1, due_at=bindparam("later"))
)
_UP = (
    _TABLE.update()
    .where(_IN_LANE, IS_PENDING, _OF_MESSAGE, _TABLE.c.retries_used >= bindparam("most"))
    .values(state=DeliveryState.STORED)
)


class Failure:
    """One failed attempt, and what it writes."""

    def __init__(  # noqa: PLR0913, PLR0917 - what an attempt met
        self,
        connection: Connection,
        site: Installation,
        lease: Lease,
        row: str,
        ended: Ended,
        error: ChannelError,
        now: datetime,
    ) -> None:
        self._connection, self._site, self._lease = connection, site, lease
        self._row, self._ended, self._error, self._now = row, ended, error, now
        tried = ended.tried or Tried(Cause.FLOW, stored=False)
        self._cause, self._stored = tried.cause, tried.stored
        self._fault = Fault.ENDPOINT if error.endpoint else Fault.MESSAGE

    def next_of(self, lane: LaneStanding, message: Any) -> Next:
        """Return what becomes of the message."""
        covered = standing.covered(
            self._connection, self._lease.lane_id, self._ended.delivery_id, lane
        )
        before = MessageStanding(message.fault, message.retries_used, covered, self._stored)
        after = self._error.retry_after
        return after_failure(lane, before, self._cause, self._fault, self._now, after)

    def release(self, what: Next) -> None:
        """Write the message; one whose single retry is used up is dead, visibly (S2, None)."""
        # It has ended with a verdict: whatever ended its worker before is over.
        values: dict[str, Any] = {
            "state": what.state,
            "fault": what.fault,
            "retries_used": what.retries_used,
            "started": False,
            "lease_token": None,
            "lease_until": None,
            "lost_leases": 0,
        }
        if what.due_at is not None:
            values["due_at"] = what.due_at
        if what.state is DeliveryState.DEAD:
            values |= {"reason": EndReason.EXHAUSTED, "finished_at": self._now}
            text = f"A notification was not taken, and its one retry is used up: {self._error}"
            self._report(text, about="exhausted")
        mine = _TABLE.c.id == self._ended.delivery_id
        self._connection.execute(_TABLE.update().where(mine).values(values))

    def _report(self, text: str, about: str | None = None) -> None:
        """Count the failure where people see it: one row for each route (product.md 6)."""
        error = OtherError(
            self._lease.system_id, None, self._error.reason, text, about, row=self._row
        )
        other_errors.record(self._connection, [error], self._now)

    def on_lane(self, lane: LaneStanding) -> list[int]:
        """Write the lane, and the error that people see; returns the lanes to wake."""
        lane_id = self._lease.lane_id
        if self._fault is Fault.MESSAGE or lane.policy.alone:
            after = answered(lane, self._now)
        else:
            after = self._hold(lane)
        standing.write(self._connection, lane_id, after)
        self._explain(lane_id)
        self._report(str(self._error))
        return fallback.tell(self._connection, self._now, lane_id)

    def _hold(self, lane: LaneStanding) -> LaneStanding:
        """The failure stands for all that were due, without touching their rows."""
        lane_id, connection = self._lease.lane_id, self._connection
        values: Mapping[str, Any] = {"lane": lane_id, "now": self._now}
        latest = max(connection.scalar(query, values) or 0 for query in _LATEST)
        after = hold(
            lane,
            self._cause,
            max(latest, self._ended.delivery_id),
            self._now,
            self._error.retry_after,
            last_chance(connection, self._site, lane_id) if self._error.retry_after else None,
        )
        standing.cover(connection, lane_id, after)
        if after.round > lane.round:
            self._count_own(lane)
        return after

    def _count_own(self, lane: LaneStanding) -> None:
        later = self._now + pause(lane.policy, self._error.retry_after)
        values = {"lane": self._lease.lane_id, "now": self._now, "later": later}
        self._connection.execute(_COUNTED, values)
        if lane.policy.retries is not None:
            most = {"lane": self._lease.lane_id, "most": lane.policy.retries}
            self._connection.execute(_UP, most)

    def _explain(self, lane_id: int) -> None:
        table = Lane.__table__
        said = {"error_reason": self._error.reason, "error_text": str(self._error)}
        self._connection.execute(table.update().where(table.c.id == lane_id).values(said))
