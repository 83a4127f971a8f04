"""Lanes with a retry policy: S2 to the letter, in simulated time over a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.channels import CHANNELS
from app.domain.kinds import DeliveryState, EndReason, LaneState
from app.models import Delivery, Failure, System
from app.services import lanes
from app.services.installation import Installation
from tests.services.posts.lanes import KIND, World, down, refused
from tests.services.spine import rows
from tests.simulated import Simulated

DAYS_3 = 259_200


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    yield
    CHANNELS.pop(KIND, None)


@pytest.fixture
def world(site: Installation, simulated: Simulated) -> World:
    """A lane with the default policy, Bounded 3 / 10 s."""
    return World(site, simulated)


def test_what_is_taken_is_delivered_with_one_attempt(world: World) -> None:
    (one,) = world.report("a")
    world.serve()

    assert world.arrived == ["a"]
    assert world.one(one).state is DeliveryState.DELIVERED
    assert world.attempts(one) == 1
    assert world.standing().state is LaneState.NORMAL


def test_bounded_makes_one_attempt_and_its_retries_and_then_stores(world: World) -> None:
    (one,) = world.report("a")
    world.channel.says = down
    world.passes(120)

    assert world.tries == [(1, "a"), (11, "a"), (21, "a"), (31, "a")]
    assert world.one(one).state is DeliveryState.STORED
    assert world.standing().state is LaneState.RETRYING
    assert world.standing().next_try_at is None


def test_none_makes_one_single_retry_ten_seconds_later_and_is_dead(
    site: Installation, simulated: Simulated
) -> None:
    world = World(site, simulated, policy="None")
    (one,) = world.report("a")
    world.channel.says = down
    world.passes(60)

    assert world.tries == [(1, "a"), (11, "a")]
    assert (world.one(one).state, world.one(one).reason) == (
        DeliveryState.DEAD,
        EndReason.EXHAUSTED,
    )
    assert world.standing().state is LaneState.NORMAL


def test_none_is_never_stood_in_for(site: Installation, simulated: Simulated) -> None:
    world = World(site, simulated, policy="None")
    world.report(*"abc")
    world.channel.says = down
    world.passes(60)

    assert sorted(title for _, title in world.tries) == sorted("aabbcc")
    assert set(world.states()) == {"dead"}


def test_always_goes_on_until_3_days_are_over_and_never_after(
    site: Installation, simulated: Simulated
) -> None:
    world = World(site, simulated, policy="Always", delay=3_600)
    (one,) = world.report("a")
    world.channel.says = down
    world.serve()
    world.passes(DAYS_3 + 7_200, step=1_800)

    assert [at for at, _ in world.tries] == list(range(0, DAYS_3 + 1, 3_600))
    assert world.one(one).reason is EndReason.EXPIRED
    assert world.standing().state is LaneState.NORMAL


@pytest.mark.parametrize(
    ("age", "arrives"), [(DAYS_3 - 1, True), (DAYS_3, True), (DAYS_3 + 1, False)]
)
def test_the_edge_of_3_days_is_exact(world: World, age: int, *, arrives: bool) -> None:
    (one,) = world.report("a")
    world.channel.says = down
    world.passes(60)
    world.skips(age - 60)
    world.channel.says = lambda _: None
    world.report("b")
    world.serve()

    assert ("a" in world.arrived) is arrives
    assert world.one(one).state is (DeliveryState.DELIVERED if arrives else DeliveryState.DEAD)


def test_a_stored_message_arrives_with_the_flush_that_a_later_success_starts(world: World) -> None:
    world.channel.says = down
    world.report("a", "b")
    world.passes(60)
    assert world.states() == ["stored", "stored"]
    world.channel.says = lambda _: None
    world.passes(60)
    assert world.arrived == []

    world.report("c")
    world.serve()

    assert world.arrived == ["c", "a", "b"]
    assert world.states() == ["delivered"] * 3
    assert world.standing().state is LaneState.NORMAL
    assert world.standing().round == 0
    assert world.entries() == []


def test_one_connection_stands_for_all_that_are_due(world: World) -> None:
    world.channel.says = down
    ids = world.report(*(str(number) for number in range(50)))
    world.passes(60)

    # A lane that works has up to four connections, of which each may have met the failure.
    retried = world.tries[-3:]
    assert [at for at, _ in retried] == [11, 21, 31]
    assert {title for _, title in retried} == {"0"}
    assert len(world.tries) <= 4 + 3
    assert set(world.states()) == {"stored"}
    assert sum(world.attempts(one) for one in ids) == len(world.tries)


def test_a_new_message_is_attempted_at_once_while_the_lane_retries(world: World) -> None:
    world.channel.says = down
    world.report("a")
    world.serve()
    world.passes(4)
    world.report("b")
    world.serve()

    assert world.tries == [(0, "a"), (4, "b")]
    world.passes(6)
    assert world.tries[-1] == (10, "a")


def test_new_messages_that_wait_together_share_an_attempt_and_are_a_second_apart(
    world: World,
) -> None:
    world.channel.says = down
    world.report("a")
    world.serve()
    world.passes(4)
    for number in range(20):
        world.report(f"n{number}")
        world.passes(0.1, step=0.1)

    # After the first of them the others wait for a second, and the oldest of those is tried.
    assert world.tries == [(0, "a"), (4, "n0"), (5, "n1"), (6, "n11")] or len(world.tries) <= 4


def test_each_message_has_all_its_retries_whenever_it_came(world: World) -> None:
    world.channel.says = down
    (first,) = world.report("a")
    world.serve()
    world.passes(15)
    (late,) = world.report("b")
    world.serve()
    world.passes(15.5, step=0.5)

    assert world.one(first).state is DeliveryState.STORED
    assert world.one(late).state is DeliveryState.PENDING
    world.passes(10)
    assert world.one(late).state is DeliveryState.STORED
    # Its own first attempt was at 15; three rounds follow, in which it was stood for.
    assert [at for at, _ in world.tries] == [0, 10, 15, 20, 30, 40]


def test_a_success_of_a_retry_flushes_oldest_first(world: World) -> None:
    world.channel.says = down
    world.report(*"abcde")
    world.serve()
    world.channel.says = lambda _: None
    world.passes(10)

    assert world.arrived == list("abcde")
    assert world.tries == [(0, "a"), (10, "a"), *((10, one) for one in "bcde")]


def test_a_failure_in_mid_flush_puts_the_lane_back_and_sends_nothing_twice(world: World) -> None:
    world.channel.says = down
    world.report(*"abcdef")
    world.serve()
    world.channel.says = lambda notice: down() if len(world.arrived) == 3 else None
    world.passes(10)
    assert world.arrived == list("abc")
    assert world.standing().state is LaneState.RETRYING

    world.channel.says = lambda _: None
    world.passes(10)

    assert world.arrived == list("abcdef")
    assert world.standing().state is LaneState.NORMAL


def test_a_stored_message_that_fails_in_a_flush_is_stored_again(world: World) -> None:
    world.channel.says = down
    world.report("a")
    world.passes(60)
    world.channel.says = lambda notice: down() if notice.events[0].facts["title"] == "a" else None
    world.report("b")
    world.serve()
    assert world.states() == ["stored", "delivered"]
    world.passes(60)

    assert [title for _, title in world.tries].count("a") == 5


def test_other_lanes_of_the_same_system_are_not_touched(world: World) -> None:
    other = world.lane("backups")
    world.channel.says = lambda notice: down() if notice.events[0].facts["title"] == "a" else None
    world.report("a")
    world.report("b", lane_id=other)
    world.serve()

    assert world.arrived == ["b"]
    assert world.standing().state is LaneState.RETRYING
    assert world.standing(other).state is LaneState.NORMAL


def test_a_bad_message_does_not_eat_the_retries_of_good_ones(world: World) -> None:
    world.channel.says = lambda notice: refused() if "bad" in str(notice) else None
    (bad,) = world.report("bad")
    world.serve()
    world.report("good")
    world.serve()

    assert world.arrived == ["good"]
    world.passes(60)
    assert [at for at, title in world.tries if title == "bad"] == [0, 10, 20, 30]
    assert world.one(bad).state is DeliveryState.STORED
    assert world.one(bad).retries_used == 3


def test_a_bad_message_does_not_slow_those_behind_it(world: World) -> None:
    world.channel.says = lambda notice: refused() if "bad" in str(notice) else None
    world.report("bad", *(str(number) for number in range(200)))
    world.serve()

    assert len(world.arrived) == 200
    assert sum(title == "bad" for _, title in world.tries) == 1


def test_a_bad_message_out_of_retries_is_tried_once_a_delay_while_others_succeed(
    world: World,
) -> None:
    world.channel.says = lambda notice: refused() if "bad" in str(notice) else None
    world.report("bad")
    world.passes(60)
    before = len(world.tries)
    for number in range(30):
        world.report(f"good {number}")
        world.passes(1)
    world.passes(2)

    again = [at for at, title in world.tries[before:] if title == "bad"]
    assert 1 <= len(again) <= 4
    assert len(world.arrived) == 30


def test_a_mended_message_arrives_with_a_later_success(world: World) -> None:
    world.channel.says = refused
    world.report("a")
    world.passes(60)
    world.channel.says = lambda _: None
    world.report("b")
    world.serve()
    world.passes(11)

    assert world.arrived == ["b", "a"]
    assert world.standing().state is LaneState.NORMAL


def test_in_a_round_the_next_is_tried_where_one_fails_for_its_own_reason(world: World) -> None:
    world.channel.says = down
    world.report("bad", "good")
    world.serve()
    world.channel.says = lambda notice: refused() if "bad" in str(notice) else None
    world.passes(12)

    assert world.tries == [(0, "bad"), (10, "bad"), (11, "good")]
    assert world.arrived == ["good"]


def test_a_retry_after_moves_the_round_and_never_brings_it_forward(world: World) -> None:
    world.channel.outcomes.extend([down(retry_after=40), down(retry_after=2)])
    world.report("a")
    world.serve()
    world.passes(70)

    assert [at for at, _ in world.tries] == [0, 40, 50]


def test_a_retry_after_counts_for_an_hour_at_most(world: World) -> None:
    world.channel.outcomes.append(down(retry_after=1e9))
    world.report("a")
    world.serve()
    world.passes(3_700, step=100)

    assert [at for at, _ in world.tries] == [0, 3_600]


def test_a_retry_after_never_leads_past_the_3_days_of_a_message(world: World) -> None:
    world.channel.outcomes.append(down())
    world.report("a")
    world.serve()
    world.skips(DAYS_3 - 1_000)
    world.channel.outcomes.append(down(retry_after=3_600))
    world.serve()
    world.passes(1_100, step=100)

    assert world.tries[-1][0] == DAYS_3
    assert world.arrived == ["a"]


def test_deliveries_of_one_order_never_overtake_each_other(world: World) -> None:
    world.channel.says = lambda notice: refused() if "opening" in str(notice) else None
    world.report("opening", "resolve", key=7)
    world.report("other")
    world.serve()
    assert world.arrived == ["other"]

    world.channel.says = lambda _: None
    world.passes(11)

    assert world.arrived == ["other", "opening", "resolve"]


def test_try_now_tries_the_oldest_and_its_success_flushes(world: World) -> None:
    world.channel.says = down
    world.report("a", "b")
    world.passes(60)
    lanes.try_now(world.site, world.lane_id)
    world.serve()
    assert world.tries[-1] == (60, "a")
    assert world.states() == ["stored", "stored"]

    world.channel.says = lambda _: None
    world.passes(2)
    lanes.try_now(world.site, world.lane_id)
    world.serve()

    assert world.arrived == ["a", "b"]


def test_try_now_is_no_round_and_uses_up_no_retry(world: World) -> None:
    world.channel.says = down
    world.report("a")
    world.serve()
    for _ in range(5):
        world.passes(1)
        lanes.try_now(world.site, world.lane_id)
        world.serve()
    world.passes(60)

    assert world.standing().round == 3
    assert len(world.tries) == 1 + 5 + 3


def test_a_paused_system_stores_and_posts_nothing(world: World) -> None:
    world.report("a")
    _pause(world, "paused")
    world.passes(5)
    assert world.tries == []

    _pause(world, "running")
    world.serve()

    assert world.arrived == ["a"]


def test_a_flush_goes_on_after_a_pause(world: World) -> None:
    world.channel.says = down
    world.report(*(str(number) for number in range(450)))
    world.passes(60)
    world.channel.says = lambda _: _pause(world, "paused") if len(world.arrived) == 3 else None
    world.report("new")
    world.serve()
    assert 3 < len(world.arrived) < 450

    world.channel.says = lambda _: None
    _pause(world, "running")
    world.serve()

    assert len(world.arrived) == 451
    assert world.standing().state is LaneState.NORMAL


def test_a_message_with_a_later_time_of_its_own_is_given_up_after_3_days_too(world: World) -> None:
    world.channel.says = refused
    (one,) = world.report("a")
    world.serve()
    table = Delivery.__table__
    with world.site.store.writing() as connection:
        later = world.time.now + timedelta(seconds=DAYS_3 + 5)
        connection.execute(table.update().values(due_at=later))
    world.skips(DAYS_3 + 10)
    world.serve()

    assert world.one(one).reason is EndReason.EXPIRED


def test_the_3_days_go_on_while_a_system_is_paused(world: World) -> None:
    (one,) = world.report("a")
    _pause(world, "paused")
    world.passes(DAYS_3 + 1_000, step=20_000)

    assert world.one(one).reason is EndReason.EXPIRED


def _pause(world: World, status: str) -> None:
    table = System.__table__
    with world.site.store.writing() as connection:
        connection.execute(table.update().values(status=status))


def test_a_clock_that_jumps_gives_nothing_up(world: World) -> None:
    (one,) = world.report("a")
    world.channel.says = down
    world.serve()
    world.time.jumps(days=3_650)
    world.serve()

    assert world.one(one).state is DeliveryState.PENDING


def test_other_error_names_the_route_and_ends_with_the_success(world: World) -> None:
    world.channel.says = down
    world.report("a")
    world.serve()
    (error,) = rows(world.site, Failure)
    assert (error.row, error.reason, error.state) == ("metrics", "connection", "open")

    world.channel.says = lambda _: None
    world.passes(11)

    (error,) = rows(world.site, Failure)
    assert error.state == "resolved"
