"""A lane in retry, as values: what an attempt's end makes of the lane and of the message (S2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.kinds import DeliveryState, Fault, LaneState, Policy
from app.domain.lane import (
    Cause,
    LaneStanding,
    MessageStanding,
    after_failure,
    answered,
    hold,
    leave,
    ripe,
    settled,
)
from app.domain.retry import RetryPolicy

NOW = datetime(2026, 11, 3, 10, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=5)
SOON = NOW + timedelta(seconds=4)
BOUNDED = RetryPolicy(Policy.BOUNDED, 3, 10)
NONE = RetryPolicy(Policy.NONE)
ALWAYS = RetryPolicy(Policy.ALWAYS, delay=60)
WELL = LaneStanding(LaneState.NORMAL, BEFORE, 0, None, None, BOUNDED)
DOWN = LaneStanding(LaneState.RETRYING, BEFORE, 2, 70, SOON, BOUNDED)
FLUSHING = LaneStanding(LaneState.FLUSHING, BEFORE, 2, None, None, BOUNDED)
NEW = MessageStanding(None, 0, None, stored=False)


def after(seconds: float) -> datetime:
    """Return the time so many seconds from now."""
    return NOW + timedelta(seconds=seconds)


def test_a_lane_that_works_enters_retry_with_its_first_failure() -> None:
    held = hold(WELL, Cause.FLOW, 80, NOW, None, None)

    assert (held.state, held.since, held.round) == (LaneState.RETRYING, NOW, 0)
    assert (held.held_id, held.next_try_at) == (80, after(10))
    assert held.blocked


def test_a_failed_round_is_counted_and_the_next_is_a_delay_away() -> None:
    held = hold(DOWN, Cause.ROUND, 90, NOW, None, None)

    assert (held.round, held.held_id, held.next_try_at) == (3, 90, after(10))
    assert held.since == BEFORE


@pytest.mark.parametrize("cause", [Cause.NEW, Cause.ASKED, Cause.FLOW])
def test_a_failure_beside_the_rounds_counts_none_and_leaves_their_time(cause: Cause) -> None:
    held = hold(DOWN, cause, 90, NOW, None, None)

    assert (held.round, held.next_try_at, held.held_id) == (2, SOON, 90)


@pytest.mark.parametrize(
    ("asked", "waits"),
    [(None, 10), (0, 10), (-5, 10), (3, 10), (40, 40), (3_600, 3_600), (86_400, 3_600)],
)
def test_an_endpoint_may_ask_for_a_longer_pause_of_an_hour_at_most(
    asked: float | None, waits: float
) -> None:
    assert hold(WELL, Cause.FLOW, 1, NOW, asked, None).next_try_at == after(waits)


def test_a_pause_never_leads_past_the_end_of_the_oldest_message() -> None:
    held = hold(WELL, Cause.FLOW, 1, NOW, 3_600, after(900))

    assert held.next_try_at == after(900)


def test_the_time_of_a_round_is_kept_where_a_new_message_asks_for_less() -> None:
    assert hold(DOWN, Cause.NEW, 90, NOW, 2, None).next_try_at == SOON
    assert hold(DOWN, Cause.NEW, 90, NOW, 30, None).next_try_at == after(30)


def test_what_is_held_never_becomes_less() -> None:
    assert hold(DOWN, Cause.NEW, 5, NOW, None, None).held_id == DOWN.held_id


def test_an_answered_try_is_over() -> None:
    asked = replace(DOWN, asked=True)

    assert not hold(asked, Cause.ASKED, 90, NOW, None, None).asked
    assert hold(asked, Cause.NEW, 90, NOW, None, None).asked


def test_a_message_fault_puts_a_lane_in_retry_and_blocks_nobody() -> None:
    lane = answered(WELL, NOW)

    assert (lane.state, lane.blocked) == (LaneState.RETRYING, False)
    assert answered(FLUSHING, NOW).state is LaneState.FLUSHING
    assert answered(DOWN, NOW).blocked


def test_a_success_makes_all_that_waits_due() -> None:
    lane = leave(DOWN, NOW)

    assert (lane.state, lane.held_id, lane.next_try_at) == (LaneState.FLUSHING, None, None)
    assert lane.round == DOWN.round


@pytest.mark.parametrize(
    ("error", "now", "rested"),
    [(None, NOW, True), (NOW, after(0.5), False), (NOW, after(1), True), (after(60), NOW, True)],
)
def test_attempts_are_a_second_apart_whatever_the_clock_does(
    error: datetime | None, now: datetime, *, rested: bool
) -> None:
    assert replace(DOWN, error_at=error).rested(now) is rested


def test_an_endpoint_fault_leaves_the_row_to_the_lane() -> None:
    found = after_failure(WELL, NEW, Cause.FLOW, Fault.ENDPOINT, NOW, None)

    assert (found.state, found.retries_used, found.due_at) == (DeliveryState.PENDING, 0, None)


def test_a_stored_message_that_fails_in_a_flush_is_stored_again() -> None:
    message = MessageStanding(Fault.ENDPOINT, 0, 3, stored=True)
    found = after_failure(FLUSHING, message, Cause.FLOW, Fault.ENDPOINT, NOW, None)

    assert found.state is DeliveryState.STORED


@pytest.mark.parametrize(
    ("fault", "used", "state", "now_used"),
    [
        (None, 0, DeliveryState.PENDING, 0),
        (Fault.MESSAGE, 0, DeliveryState.PENDING, 1),
        (Fault.MESSAGE, 1, DeliveryState.PENDING, 2),
        (Fault.MESSAGE, 2, DeliveryState.STORED, 3),
        (Fault.MESSAGE, 3, DeliveryState.STORED, 3),
    ],
)
def test_a_message_that_fails_for_its_own_reason_has_its_own_clock(
    fault: Fault | None, used: int, state: DeliveryState, now_used: int
) -> None:
    message = MessageStanding(fault, used, None, stored=False)
    found = after_failure(WELL, message, Cause.FLOW, Fault.MESSAGE, NOW, None)

    assert (found.state, found.retries_used, found.due_at) == (state, now_used, after(10))


@pytest.mark.parametrize(
    ("covered", "cause", "used"), [(0, Cause.ROUND, 1), (2, Cause.ROUND, 3), (1, Cause.FLOW, 1)]
)
def test_the_rounds_before_count_for_a_message_that_turns_out_to_be_bad(
    covered: int, cause: Cause, used: int
) -> None:
    message = MessageStanding(None, 0, covered, stored=False)
    found = after_failure(DOWN, message, cause, Fault.MESSAGE, NOW, None)

    assert found.retries_used == used


@pytest.mark.parametrize("fault", list(Fault))
def test_none_has_one_single_retry_whatever_fails(fault: Fault) -> None:
    lane = replace(WELL, policy=NONE)
    first = after_failure(lane, NEW, Cause.FLOW, fault, NOW, None)
    again = MessageStanding(first.fault, first.retries_used, None, stored=False)
    second = after_failure(lane, again, Cause.FLOW, fault, NOW, None)

    assert (first.state, first.due_at) == (DeliveryState.PENDING, after(10))
    assert (second.state, second.retries_used) == (DeliveryState.DEAD, 1)


def test_always_has_no_last_retry() -> None:
    lane = replace(WELL, policy=ALWAYS)
    message = MessageStanding(Fault.MESSAGE, 4_000, None, stored=False)
    found = after_failure(lane, message, Cause.FLOW, Fault.MESSAGE, NOW, None)

    assert (found.state, found.due_at) == (DeliveryState.PENDING, after(60))


def test_who_failed_so_many_rounds_ago_is_out_of_retries() -> None:
    assert ripe(DOWN) == -1
    assert ripe(replace(DOWN, round=5)) == 2
    assert ripe(replace(DOWN, policy=ALWAYS)) is None
    assert ripe(replace(DOWN, policy=NONE)) is None


@pytest.mark.parametrize(
    ("lane", "left", "failed", "state"),
    [
        (FLUSHING, False, False, LaneState.NORMAL),
        (FLUSHING, True, False, LaneState.NORMAL),
        (FLUSHING, True, True, LaneState.RETRYING),
        (DOWN, False, False, LaneState.NORMAL),
        (DOWN, True, False, LaneState.RETRYING),
        (WELL, True, False, LaneState.NORMAL),
    ],
)
def test_a_flush_ends_and_an_empty_lane_is_normal(
    lane: LaneStanding, *, left: bool, failed: bool, state: LaneState
) -> None:
    assert settled(lane, NOW, left=left, waits=left, failed=failed).state is state


def test_rounds_are_forgotten_only_when_nothing_is_left() -> None:
    assert settled(FLUSHING, NOW, left=True, waits=True, failed=False).round == 2
    assert settled(FLUSHING, NOW, left=False, waits=False, failed=False).round == 0


def test_a_lane_in_which_all_is_stored_has_no_next_round() -> None:
    assert settled(DOWN, NOW, left=True, waits=False, failed=False).next_try_at is None
