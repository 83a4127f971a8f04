"""Where a lane with a retry policy stands: read, and written as the domain says."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from app.domain.kinds import Policy
from app.domain.lane import LaneStanding
from app.domain.retry import RetryPolicy
from app.models import Lane, LaneEntry
from app.services.sql import upsert

_LANE = Lane.__table__
_SAME = ("state", "since", "round", "held_id", "next_try_at", "error_at", "asked")
_READ = select(
    *(_LANE.c[name] for name in (*_SAME, "policy", "retry_number", "retry_delay", "row")),
).where(_LANE.c.id == bindparam("lane"))
_READ_LOCKED = _READ.with_for_update()
_OWNED = _READ_LOCKED.where(_LANE.c.lease_token == bindparam("token"))
_ENTERED = select(func.min(LaneEntry.round)).where(
    LaneEntry.lane_id == bindparam("lane"), LaneEntry.upto_id >= bindparam("message")
)
_COVERED = select(func.max(LaneEntry.upto_id)).where(LaneEntry.lane_id == bindparam("lane"))
_WRITTEN = (
    _LANE.update()
    .where(_LANE.c.id == bindparam("lane"))
    .values({name: bindparam(f"{name}_") for name in _SAME})
)
# What a lane forgets that works again.
_MENDED = (
    _LANE.update()
    .where(_LANE.c.id == bindparam("lane"))
    .values(error_reason=None, error_text=None, fallback_delivery_id=None)
)


def read(connection: Connection, lane_id: int) -> LaneStanding:
    """Return where the lane stands."""
    return _standing(connection.execute(_READ, {"lane": lane_id}).one())


def owned(connection: Connection, lane_id: int, token: str) -> tuple[LaneStanding, str] | None:
    """Lock the lane and return where it stands and its row, or None: it is not ours any more."""
    found = connection.execute(_OWNED, {"lane": lane_id, "token": token}).first()
    return None if found is None else (_standing(found), found.row)


def write(connection: Connection, lane_id: int, standing: LaneStanding) -> None:
    """Write where the lane stands, in the caller's transaction, which has locked it."""
    values = {f"{name}_": getattr(standing, name) for name in _SAME}
    connection.execute(_WRITTEN, {"lane": lane_id, **values})


def forget_error(connection: Connection, lane_id: int) -> None:
    """Let the lane forget what went wrong."""
    connection.execute(_MENDED, {"lane": lane_id})


def cover(connection: Connection, lane_id: int, standing: LaneStanding) -> None:
    """Note that all up to `held_id` have failed once, those before them in an earlier round."""
    known = connection.scalar(_COVERED, {"lane": lane_id}) or 0
    if standing.held_id is not None and standing.held_id > known:
        entry = {"lane_id": lane_id, "round": standing.round, "upto_id": standing.held_id}
        upsert(connection, LaneEntry.__table__, ("lane_id", "round"), [entry])


def covered(
    connection: Connection, lane_id: int, message_id: int, standing: LaneStanding
) -> int | None:
    """Return how many rounds have failed since a message failed first; None: it never had."""
    entered = connection.scalar(_ENTERED, {"lane": lane_id, "message": message_id})
    return None if entered is None else standing.round - int(entered)


def _standing(row: Any) -> LaneStanding:
    values: dict[str, Any] = {name: getattr(row, name) for name in _SAME}
    return LaneStanding(**values, policy=policy_of(row))


def policy_of(row: Any) -> RetryPolicy:
    """Return the policy that holds for a lane, from its columns."""
    number, delay = row.retry_number, row.retry_delay
    return RetryPolicy(Policy(row.policy), 3 if number is None else number, delay or 10)
