"""Retries as people see them: how many were used, which is next and when, in simulated time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.channels import CHANNELS
from app.domain.kinds import DeliveryState, LaneState
from app.models import Delivery, Lane, LaneEntry
from app.services import lanes
from app.services.installation import Installation
from app.services.reading import deliveries, delivery_words, retries
from app.services.reading.deliveries import DeliveryDocument, DeliveryQuery
from app.services.reading.delivery_words import Standing
from app.shapes import parse
from tests.api import rows
from tests.services.posts.lanes import KIND, World, down, refused
from tests.simulated import Simulated


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    yield
    CHANNELS.pop(KIND, None)


@pytest.fixture
def world(site: Installation, simulated: Simulated) -> World:
    """A lane with the policy Bounded 3 / 10 s, whose endpoint is down."""
    made = World(site, simulated)
    made.channel.says = down
    return made


def read(world: World, delivery_id: int) -> DeliveryDocument:
    """Read one delivery as a list shows it."""
    page = deliveries.page(world.site, parse(DeliveryQuery, {"limit": "1000"}))
    return next(one for one in page.items if one.id == delivery_id)


def used(world: World, delivery_id: int) -> tuple[int, int | None, int | None]:
    """Return the retries used, how many there are, and which is next."""
    one = read(world, delivery_id)
    return one.retries_used, one.retries_of, one.next_retry


def said(world: World, delivery_id: int) -> tuple[str, float | None]:
    """Return the words of a delivery; the time in seconds since the start."""
    standing = delivery_words.standing(read(world, delivery_id))
    at = None if standing.at is None else (standing.at - world.start).total_seconds()
    return standing.text, at


def change(world: World, model: Any, **values: Any) -> None:
    """Change all rows of a table."""
    with world.site.store.writing() as connection:
        connection.execute(update(model).values(**values))


def test_what_was_never_tried_waits(world: World) -> None:
    (one,) = world.report("a")
    assert used(world, one) == (0, 3, None)
    assert said(world, one) == ("Waiting", None)


def test_each_failed_round_is_a_retry_used_and_the_next_has_its_time(world: World) -> None:
    (one,) = world.report("a")
    world.serve()
    seen = [(used(world, one), said(world, one))]
    for _ in range(2):
        world.passes(10)
        seen.append((used(world, one), said(world, one)))
    assert seen == [
        ((0, 3, 1), ("Retry 1 of 3", 10)),
        ((1, 3, 2), ("Retry 2 of 3", 20)),
        ((2, 3, 3), ("Retry 3 of 3", 30)),
    ]
    world.passes(11)
    assert used(world, one) == (3, 3, None)
    assert said(world, one) == ("Stored, goes with the next success", None)
    assert read(world, one).due_at is None


def test_a_message_that_another_one_stands_for_counts_from_its_own_first_failure(
    world: World,
) -> None:
    first, second = world.report("a", "b")
    world.serve()
    world.passes(15)
    (late,) = world.report("c")
    world.serve()
    assert [used(world, one) for one in (first, second, late)] == [(1, 3, 2), (1, 3, 2), (0, 3, 1)]
    world.passes(6)
    assert [used(world, one) for one in (first, second, late)] == [(2, 3, 3), (2, 3, 3), (1, 3, 2)]
    assert world.attempts(late) == 1


def test_a_new_message_of_a_lane_in_retry_waits_without_being_a_retry(world: World) -> None:
    world.report("a")
    world.serve()
    (new,) = world.report("b")
    assert used(world, new) == (0, 3, None)
    assert said(world, new)[0] == "Waiting"


def test_with_always_there_is_no_number_to_reach(site: Installation, simulated: Simulated) -> None:
    world = World(site, simulated, policy="Always")
    world.channel.says = down
    (one,) = world.report("a")
    world.serve()
    world.passes(40)
    assert used(world, one) == (4, None, 5)
    assert said(world, one) == ("Retry 5", 50)


def test_with_none_each_message_has_its_one_retry_at_its_own_time(
    site: Installation, simulated: Simulated
) -> None:
    world = World(site, simulated, policy="None")
    world.channel.says = down
    (one,) = world.report("a")
    world.serve()
    assert used(world, one) == (0, 1, 1)
    assert said(world, one) == ("Retry 1 of 1", 10)
    world.passes(11)
    assert used(world, one) == (1, 1, None)
    assert said(world, one)[0] == "Dead: its retries are used up"


def test_one_that_fails_for_its_own_reason_has_a_clock_of_its_own(world: World) -> None:
    world.channel.says = refused
    (one,) = world.report("bad")
    world.serve()
    world.passes(15)
    assert used(world, one) == (1, 3, 2)
    assert said(world, one) == ("Retry 2 of 3", 20)


def test_while_its_lane_is_down_that_clock_waits_for_the_next_round(world: World) -> None:
    world.channel.says = refused
    (bad,) = world.report("bad")
    world.serve()
    world.channel.says = down
    world.passes(7)
    world.report("good")
    world.serve()
    assert said(world, bad) == ("Retry 1 of 3", 17)


def test_a_flush_makes_what_waits_due_without_being_a_retry(world: World) -> None:
    first, second = world.report("a", "b")
    world.serve()
    world.passes(12)
    change(world, Lane, state=LaneState.FLUSHING, held_id=None, next_try_at=None)
    assert used(world, first) == (1, 3, None)
    assert said(world, second) == ("Waiting", None)


def test_a_stored_message_that_failed_by_itself_shows_the_number_as_well(world: World) -> None:
    world.channel.says = refused
    (one,) = world.report("bad")
    world.passes(60)
    assert world.one(one).state is DeliveryState.STORED
    assert used(world, one) == (3, 3, None)


def test_of_what_arrived_the_retries_that_it_was_sent_in_are_told(world: World) -> None:
    (one,) = world.report("a")
    world.serve()
    world.passes(15)
    world.channel.says = lambda _: None
    world.passes(10)
    assert world.one(one).state is DeliveryState.DELIVERED
    assert used(world, one) == (2, 3, None)
    (never,) = world.report("b")
    world.serve()
    assert used(world, never) == (0, 3, None)


def test_a_try_that_a_person_asked_for_is_no_retry(world: World) -> None:
    (one,) = world.report("a")
    world.serve()
    world.passes(3)
    lanes.try_now(world.site, world.lane_id)
    world.serve()
    assert world.attempts(one) == 2
    assert used(world, one) == (0, 3, 1)


def test_a_batch_waits_until_its_time_is_over(world: World) -> None:
    (one,) = world.report("a")
    change(world, Delivery, due_at=world.start + timedelta(seconds=60))
    assert said(world, one) == ("Waiting for a batch", 60)
    world.skips(60)
    assert said(world, one) == ("Waiting", None)


def test_mail_has_no_retries(site: Installation) -> None:
    mail = rows.system(site)
    lane = rows.lane(site, mail, state="retrying", round=4, held_id=99)
    made = rows.delivery(site, mail, lane_id=lane)
    (one,) = deliveries.page(site, parse(DeliveryQuery, {})).items
    assert (one.id, one.retries_used, one.retries_of, one.next_retry) == (made, 0, None, None)
    assert delivery_words.standing(one) == Standing("Waiting for the next run")


def test_however_many_rounds_a_lane_had_a_page_reads_few_of_them(world: World) -> None:
    some = world.report(*"abcd")
    entries = [
        {"lane_id": world.lane_id, "round": nth, "upto_id": upto}
        for nth, upto in enumerate((*some[:3], *range(some[3] + 10, some[3] + 500)))
    ]
    with world.site.store.writing() as connection:
        connection.execute(LaneEntry.__table__.insert(), entries)
    held = {"state": LaneState.RETRYING, "held_id": some[3] + 499, "round": 3, "retry_number": 9}
    change(world, Lane, **held)
    page = {"lane": world.lane_id, "first": some[0], "last": some[3]}
    with world.site.store.reading() as connection:
        assert len(connection.execute(retries._ENTRIES, page).all()) == 4
    assert [used(world, one)[0] for one in some] == [3, 2, 1, 0]
