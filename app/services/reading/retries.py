"""What deliveries have used of their retries, and when the next one is: by their lanes' rounds."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from app.domain.kinds import FINAL_STATES, DeliveryState, Fault, LaneState
from app.models import Lane, LaneEntry
from app.services.posts.standing import policy_of

_LANE = "id state round held_id next_try_at policy retry_number retry_delay".split()
_MINE = LaneEntry.lane_id == bindparam("lane")
_BEYOND = select(func.min(LaneEntry.upto_id)).where(_MINE, LaneEntry.upto_id >= bindparam("last"))
# Those that tell a page apart, however many rounds a lane has had.
_ENTRIES = (
    select(LaneEntry.round, LaneEntry.upto_id)
    .where(_MINE, LaneEntry.upto_id >= bindparam("first"))
    .where(LaneEntry.upto_id <= func.coalesce(_BEYOND.scalar_subquery(), bindparam("last")))
    .order_by(LaneEntry.round)
)


@dataclass(frozen=True)
class Retries:
    """How many timed retries were used, of how many (None: of mail, or without a number).

    `next`: the number of the one that is next, None where none waits; `due_at`: when it is sent.
    """

    used: int
    most: int | None
    next: int | None
    due_at: datetime | None

    @property
    def shown(self) -> dict[str, Any]:
        """The fields of a delivery that say so."""
        return {
            "retries_used": self.used,
            "retries_of": self.most,
            "next_retry": self.next,
            "due_at": self.due_at,
        }


def retries_of(connection: Connection, rows: Sequence[Any]) -> Mapping[int, Retries]:
    """Return where the deliveries of `rows` stand, which have all columns of their table."""
    lanes = _lanes(connection, {row.lane_id for row in rows if row.lane_id is not None})
    by_lane: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        if row.lane_id in lanes and row.state not in FINAL_STATES:
            by_lane[row.lane_id].append(row.id)
    covered = {
        delivery_id: rounds
        for lane_id, ids in by_lane.items()
        for delivery_id, rounds in _covered(connection, lanes[lane_id], ids)
    }
    return {row.id: _one(row, lanes.get(row.lane_id), covered.get(row.id)) for row in rows}


def _lanes(connection: Connection, ids: set[int]) -> Mapping[int, Any]:
    """Return the lanes with a retry policy among `ids`."""
    columns = (Lane.__table__.c[name] for name in _LANE)
    query = select(*columns).where(Lane.id.in_(ids), Lane.row.is_not(None))
    return {lane.id: lane for lane in connection.execute(query)} if ids else {}


def _covered(
    connection: Connection, lane: Any, ids: Sequence[int]
) -> Sequence[tuple[int, int | None]]:
    """Return how many rounds failed since each failed first; None: it never had."""
    values = {"lane": lane.id, "first": min(ids), "last": max(ids)}
    entries = connection.execute(_ENTRIES, values).all()
    upto = [entry.upto_id for entry in entries]
    places = ((one, bisect_left(upto, one)) for one in ids)
    return [
        (one, lane.round - entries[place].round if place < len(entries) else None)
        for one, place in places
    ]


def _one(row: Any, lane: Any, covered: int | None) -> Retries:
    if lane is None:
        return Retries(row.retries_used, None, None, row.due_at)
    policy = policy_of(lane)
    most = policy.retries
    kept = Retries(row.retries_used, most, None, row.due_at)
    alone = policy.alone or row.fault is Fault.MESSAGE
    if row.state is DeliveryState.STORED:
        return replace(kept, used=row.retries_used if most is None else most, due_at=None)
    if row.state in FINAL_STATES:
        # The rounds are forgotten by then: those that it was sent in itself.
        made = row.attempt_count - 1 if row.fault is Fault.ENDPOINT and not alone else 0
        return replace(kept, used=max(row.retries_used, _capped(made, most)))
    if covered is not None and not alone:
        kept = replace(kept, used=_capped(covered, most))
    if row.state is not DeliveryState.PENDING:
        return kept
    return _next(row, lane, kept, alone=alone)


def _next(row: Any, lane: Any, kept: Retries, *, alone: bool) -> Retries:
    """Return it with its next retry: in the next round of its lane, or by a clock of its own."""
    blocked = lane.state is LaneState.RETRYING and lane.held_id is not None
    held = blocked and row.id <= lane.held_id
    # One whose own time is later waits for the round after it.
    times = (row.due_at, lane.next_try_at if held else None)
    due_at = max(filter(None, times), default=None)
    waits = row.fault is not None if alone else held
    following = kept.used + 1 if waits else None
    if following is not None and kept.most is not None and following > kept.most:
        following = None
    return replace(kept, next=following, due_at=due_at)


def _capped(number: int, most: int | None) -> int:
    return max(number if most is None else min(number, most), 0)
