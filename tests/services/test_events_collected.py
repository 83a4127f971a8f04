"""Events of lanes that send several at a time: which delivery they join, and when it goes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.domain.kinds import DeliveryState
from app.models import Delivery, DeliveryEvent
from app.services import invariants
from app.services.installation import Installation
from tests.services.event_makers import lane, routed, routes, system, take
from tests.services.makers import with_bells
from tests.services.spine import deliveries
from tests.simulated import Simulated

WINDOW = 60


def told(site: Installation) -> dict[int, list[int]]:
    """Return the events of each delivery."""
    found: dict[int, list[int]] = {}
    query = select(DeliveryEvent.delivery_id, DeliveryEvent.event_id)
    with site.store.reading() as connection:
        for delivery_id, event_id in connection.execute(query.order_by(DeliveryEvent.event_id)):
            found.setdefault(delivery_id, []).append(event_id)
    return found


def change(site: Installation, **values: Any) -> None:
    """Change all deliveries."""
    with site.store.writing() as connection:
        connection.execute(update(Delivery).values(**values))


def test_the_first_event_opens_a_batch_that_goes_when_its_window_ends(
    site: Installation, simulated: Simulated
) -> None:
    _, lane_id = routed(site, batch=(3, WINDOW))
    site, bells = with_bells(site)

    take(site, {"dedupKey": "k"})

    (batch,) = deliveries(site)
    assert (batch.event_id, batch.order_key, batch.item_count) == (None, None, 1)
    assert batch.due_at == batch.created_at + timedelta(seconds=WINDOW)
    assert (batch.lane_id, batch.state) == (lane_id, DeliveryState.PENDING)
    assert told(site) == {batch.id: [1]}
    assert bells.rung == []
    assert invariants.check(site) == []


def test_later_events_join_it_and_the_one_that_fills_it_sends_it(
    site: Installation, simulated: Simulated
) -> None:
    _, lane_id = routed(site, batch=(3, WINDOW))
    site, bells = with_bells(site)
    take(site)
    simulated.passes(seconds=20)
    take(site)
    (before,) = deliveries(site)
    assert before.due_at == before.created_at + timedelta(seconds=WINDOW)
    assert bells.rung == []

    simulated.passes(seconds=20)
    take(site)

    (batch,) = deliveries(site)
    assert (batch.item_count, batch.due_at) == (3, simulated.now)
    assert bells.rung == [str(lane_id)]
    take(site)
    assert [one.item_count for one in deliveries(site)] == [3, 1]
    assert invariants.check(site) == []


def test_a_long_array_fills_the_open_batch_makes_full_ones_and_leaves_the_rest_waiting(
    site: Installation,
) -> None:
    routed(site, batch=(100, WINDOW))
    take(site, *({} for _ in range(30)))

    take(site, *({} for _ in range(1000)))

    made = deliveries(site)
    assert [one.item_count for one in made] == [*[100] * 10, 30]
    assert [one.due_at <= one.created_at for one in made[1:]] == [*[True] * 9, False]
    assert {key: len(ids) for key, ids in told(site).items()} == {
        one.id: one.item_count for one in made
    }
    assert told(site)[made[0].id][29:] == list(range(30, 101))
    assert invariants.check(site) == []


@pytest.mark.parametrize(
    "values",
    [
        {"attempt_count": 1},
        {"started": True},
        {"state": DeliveryState.LEASED},
        {"state": DeliveryState.CANCELLED},
        {"item_count": 3},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_batch_that_was_tried_or_goes_or_is_full_is_not_joined(
    site: Installation, values: dict[str, Any]
) -> None:
    routed(site, batch=(3, WINDOW))
    take(site)
    change(site, **values)

    take(site)

    assert len(deliveries(site)) == 2


def test_a_batch_whose_window_has_ended_is_not_joined(
    site: Installation, simulated: Simulated
) -> None:
    routed(site, batch=(3, WINDOW))
    take(site)
    simulated.passes(seconds=WINDOW)
    take(site)
    assert [one.item_count for one in deliveries(site)] == [1, 1]


def test_of_several_open_batches_the_one_whose_window_ends_last_is_joined(
    site: Installation, simulated: Simulated
) -> None:
    routed(site, batch=(3, WINDOW))
    take(site)
    change(site, started=True)
    simulated.passes(seconds=10)
    take(site)
    change(site, started=False)

    take(site)

    assert [one.item_count for one in deliveries(site)] == [1, 2]


def test_each_lane_collects_its_own_and_a_lane_without_batches_is_not_touched(
    site: Installation,
) -> None:
    many, single = system(site, "many", batch=(2, WINDOW)), system(site, "single")
    metrics, everything = lane(site, many), lane(site, many, "global")
    alone = lane(site, single)
    routes(site, {("metrics", "error"): [many, single], ("global", "info"): [many]})

    take(site, {}, {"severity": "info"}, {}, {"severity": "info"}, {"severity": "info"})

    counted = [(one.lane_id, one.item_count, one.event_id is None) for one in deliveries(site)]
    assert sorted(counted) == [
        (metrics, 2, True),
        (everything, 1, True),
        (everything, 2, True),
        (alone, 1, False),
        (alone, 1, False),
    ]
    assert invariants.check(site) == []


def test_a_batch_of_one_is_no_batch(site: Installation) -> None:
    routed(site, batch=(1, WINDOW))
    take(site, {}, {})
    assert [one.event_id for one in deliveries(site)] == [1, 2]
    assert told(site) == {}


def test_many_reports_at_once_lose_no_event(site: Installation) -> None:
    routed(site, batch=(7, WINDOW))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: take(site, *({} for _ in range(5))), range(40)))

    made = told(site)
    assert sorted(one for ids in made.values() for one in ids) == list(range(1, 201))
    assert all(one.item_count == len(made[one.id]) <= 7 for one in deliveries(site))
    assert invariants.check(site) == []
