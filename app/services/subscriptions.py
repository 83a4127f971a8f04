"""Subscriptions: the lanes of a row and an HTTP system, and the retry policy that holds in each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.orm import Session

from app.clock import utc_now
from app.domain import retry
from app.domain.event_kinds import Row
from app.domain.kinds import LaneState
from app.domain.retry import Effective, RetryPolicy
from app.models import Lane, LaneEntry, System
from app.services.named import Change
from app.services.retry_shape import policy_of
from app.services.sql import insert_missing


def holding(row: Row, own: RetryPolicy | None, system: Any) -> Effective:
    """Return the policy of the subscription of `row` and `system`."""
    return retry.effective(row, own, policy_of(system.retry_policy))


def keep(
    change: Change,
    wanted: Mapping[tuple[Row, int], RetryPolicy | None],
    systems: Mapping[int, System],
) -> None:
    """Give each subscription of `wanted` (with its own policy, or None) its lane, and its policy.

    The lane of a subscription that is gone stays, without a policy of its own: what waits in it
    drains, and what went through it names it. It goes with its system. Flushed.
    """
    session = change.session
    query = select(Lane).where(Lane.row.is_not(None))
    there = {(Row(str(lane.row)), lane.system_id): lane for lane in session.scalars(query)}
    for pair in wanted:
        if pair not in there:
            there[pair] = _new(change, *pair)
    everywhere = _systems(session, systems, {system_id for _, system_id in there})
    for (row, system_id), lane in there.items():
        _hold(lane, row, wanted.get((row, system_id)), everywhere[system_id])
    session.flush()


def _systems(
    session: Session, known: Mapping[int, System], ids: Iterable[int]
) -> Mapping[int, System]:
    others = select(System).where(System.id.in_(set(ids) - known.keys()))
    return {**known, **{one.id: one for one in session.scalars(others)}}


def _new(change: Change, row: Row, system_id: int) -> Lane:
    lane = Lane(
        system_id=system_id, row=str(row), state=LaneState.NORMAL, since=change.now, round=0
    )
    change.session.add(lane)
    return lane


def _hold(lane: Lane, row: Row, own: RetryPolicy | None, system: System) -> None:
    policy = holding(row, own, system).policy
    lane.own_policy = None if own is None else own.document
    if lane.next_try_at is not None and lane.retry_delay != policy.delay:
        # A shorter delay holds for the round that is waited for, too.
        soon = utc_now() + timedelta(seconds=policy.delay)
        lane.next_try_at = min(lane.next_try_at, soon)
    lane.policy, lane.retry_number, lane.retry_delay = policy.policy, policy.number, policy.delay


def lane_for(connection: Connection, row: Row, system: Any, now: datetime) -> int:
    """Return the lane of a row and an HTTP system, made where no cell has needed it so far.

    `system`: a row with `id` and `retry_policy`; in the caller's transaction.
    """
    policy = holding(row, None, system).policy
    columns = {"policy": policy.policy, "retry_number": policy.number, "retry_delay": policy.delay}
    whose = {"system_id": system.id, "row": str(row)}
    begun = {"state": LaneState.NORMAL, "since": now, "round": 0, "asked": False}
    insert_missing(connection, Lane.__table__, [{**whose, **begun, **columns}])
    mine = (Lane.system_id == system.id, Lane.row == str(row))
    return connection.scalars(select(Lane.id).where(*mine)).one()


def follow(session: Session, system: System) -> None:
    """Let the lanes of a system have the policy that holds now that the system has changed."""
    query = select(Lane).where(Lane.system_id == system.id, Lane.row.is_not(None))
    for lane in session.scalars(query):
        _hold(lane, Row(str(lane.row)), policy_of(lane.own_policy), system)
    session.flush()


def give_mail_lane(change: Change, system: System) -> None:
    """Give a mail system its one lane, in the transaction that makes it."""
    session = change.session
    mine = select(Lane.id).where(Lane.system_id == system.id, Lane.row.is_(None))
    if session.scalar(mine) is None:
        lane = Lane(system_id=system.id, state=LaneState.NORMAL, since=change.now, round=0)
        session.add(lane)
        session.flush()


def take_lanes(session: Session, system: System) -> None:
    """Delete the lanes of a system that goes, with what they remember."""
    mine = select(Lane.id).where(Lane.system_id == system.id)
    session.execute(delete(LaneEntry).where(LaneEntry.lane_id.in_(mine)))
    session.execute(delete(Lane).where(Lane.system_id == system.id))
