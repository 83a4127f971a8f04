"""A lane of an HTTP system: how it enters retry, what a failure counts for, and how it leaves (S2).

Pure: what the end of an attempt makes of the lane and of the message; the rows are written
elsewhere. The rules are those of delivery.md, "A lane, and the retry policy".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.kinds import DeliveryState, Fault, LaneState
from app.domain.retry import RetryPolicy, pause

# While an endpoint does not answer, attempts are at least so far apart.
PACE = timedelta(seconds=1)


class Cause(StrEnum):
    """Why an attempt is made: the lane works, a round, a new message, or somebody asked for it."""

    FLOW = "flow"
    ROUND = "round"
    NEW = "new"
    ASKED = "asked"


@dataclass(frozen=True)
class LaneStanding:
    """Where a lane stands.

    `held_id`: up to which delivery all have failed and wait for the next round, `next_try_at`; None
    while the endpoint answers, or where each message has its own attempts (policy None). `round`
    counts the rounds that failed while anything is in the lane.
    """

    state: LaneState
    since: datetime
    round: int
    held_id: int | None
    next_try_at: datetime | None
    policy: RetryPolicy
    error_at: datetime | None = None
    asked: bool = False

    @property
    def blocked(self) -> bool:
        """Whether the endpoint does not answer, so that one message is tried for all."""
        return self.state is LaneState.RETRYING and self.held_id is not None

    def rested(self, now: datetime) -> bool:
        """Whether a further attempt may be made: they are at least a second apart."""
        return self.error_at is None or not now - PACE < self.error_at <= now


@dataclass(frozen=True)
class MessageStanding:
    """Where a message stands that was just attempted.

    `covered`: the rounds that failed since it failed first, None if it never had; `stored`: it had
    no timed retries left, and went with a flush.
    """

    fault: Fault | None
    retries_used: int
    covered: int | None
    stored: bool


@dataclass(frozen=True)
class Next:
    """What becomes of a message that failed; `due_at` None: as before, the lane has the clock."""

    state: DeliveryState
    fault: Fault
    retries_used: int
    due_at: datetime | None


def after_failure(  # noqa: PLR0913, PLR0917 - what an attempt met
    lane: LaneStanding,
    message: MessageStanding,
    cause: Cause,
    fault: Fault,
    now: datetime,
    retry_after: float | None,
) -> Next:
    """Return what becomes of the message whose attempt failed.

    An endpoint's fault is counted by the lane's rounds. One that fails for its own reason, and
    every message where the policy is None, has its own clock. Out of timed retries it is stored
    for the next flush, or, with None, dead.
    """
    policy = lane.policy
    if not policy.alone and Fault.MESSAGE not in (fault, message.fault):
        state = DeliveryState.STORED if message.stored else DeliveryState.PENDING
        return Next(state, fault, message.retries_used, None)
    used = _used(policy, message, cause)
    kept = Fault.MESSAGE if message.fault is Fault.MESSAGE else fault
    state = DeliveryState.PENDING
    if policy.retries is not None and used >= policy.retries:
        state = DeliveryState.DEAD if policy.alone else DeliveryState.STORED
    return Next(state, kept, used, now + pause(policy, retry_after))


def _used(policy: RetryPolicy, message: MessageStanding, cause: Cause) -> int:
    """Return the timed retries that a message with its own clock has used by now."""
    if policy.alone or message.fault is Fault.MESSAGE:
        used = 0 if message.fault is None else message.retries_used + 1
    elif message.covered is None:
        used = 0
    else:
        used = message.covered + (cause is Cause.ROUND)
    return used if policy.retries is None else min(used, policy.retries)


def hold(  # noqa: PLR0913, PLR0917 - what an attempt met
    lane: LaneStanding,
    cause: Cause,
    latest_id: int,
    now: datetime,
    retry_after: float | None,
    last_chance: datetime | None,
) -> LaneStanding:
    """Return the lane after a failure of its endpoint: it stands for all up to `latest_id`.

    A failed round is counted; a new message that failed leaves the time of the next round as it
    is, unless the endpoint asked for a longer pause: then not past `last_chance`, when the oldest
    message is given up.
    """
    counted = lane.blocked and cause is Cause.ROUND
    next_try_at = now + pause(lane.policy, retry_after)
    if lane.blocked and not counted and lane.next_try_at is not None:
        next_try_at = max(filter(None, (lane.next_try_at, _asked(now, retry_after))))
    if retry_after and last_chance is not None and now < last_chance < next_try_at:
        next_try_at = last_chance
    return replace(
        lane,
        state=LaneState.RETRYING,
        since=lane.since if lane.state is LaneState.RETRYING else now,
        round=lane.round + counted,
        held_id=max(latest_id, lane.held_id or 0),
        next_try_at=next_try_at,
        error_at=now,
        asked=lane.asked and cause is not Cause.ASKED,
    )


def _asked(now: datetime, retry_after: float | None) -> datetime | None:
    if not retry_after or retry_after <= 0:
        return None
    return now + timedelta(seconds=min(retry_after, 3_600))


def answered(lane: LaneStanding, now: datetime) -> LaneStanding:
    """Return the lane after a failure that is no reason to doubt its endpoint.

    A lane that worked is in retry, as a message of it is; one that flushes goes on with the others.
    """
    if lane.state is LaneState.NORMAL:
        lane = replace(lane, state=LaneState.RETRYING, since=now, held_id=None, next_try_at=None)
    return replace(lane, error_at=now, asked=False)


def leave(lane: LaneStanding, now: datetime) -> LaneStanding:
    """Return the lane after a success whose attempt began in retry: all that waits is flushed."""
    return replace(
        lane,
        state=LaneState.FLUSHING,
        since=now,
        held_id=None,
        next_try_at=None,
        error_at=None,
        asked=False,
    )


def settled(
    lane: LaneStanding, now: datetime, *, left: bool, waits: bool, failed: bool
) -> LaneStanding:
    """Return a lane in which nothing is due: a flush is over, or nothing is left in it at all.

    `left`: something is open in it; `waits`: not all of that is stored, which has no round;
    `failed`: some of it has failed for its own reason.
    """
    if lane.blocked and left:
        return lane if waits else replace(lane, next_try_at=None)
    if not left:
        state = LaneState.NORMAL
    elif lane.state is LaneState.FLUSHING:
        state = LaneState.RETRYING if failed else LaneState.NORMAL
    else:
        return lane
    since = lane.since if lane.state is state else now
    return replace(
        lane,
        state=state,
        since=since,
        round=lane.round if left else 0,
        held_id=None,
        next_try_at=None,
        asked=False,
    )


def ripe(lane: LaneStanding) -> int | None:
    """Return the round up to which messages that failed first by then have used their retries."""
    retries = lane.policy.retries
    return None if retries is None or lane.policy.alone else lane.round - retries
