"""What is pruned of events, and what never is: the edges of the retention, to the second."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from app.domain.kinds import DeliveryState
from app.models import Delivery, DeliveryEvent, Event, RouteRevision, Trace
from app.services import invariants
from app.services.housekeeping import prune
from app.services.installation import Installation
from tests.services.event_makers import routed, take
from tests.services.makers import count_of
from tests.simulated import Simulated


def pruned(site: Installation) -> dict[str, int]:
    """Prune; returns how many rows were deleted, by what they were."""
    done = prune(site)
    assert done is not None
    return {name: count for name, count in done.items() if count and name != "hourly counts"}


def end(site: Installation, at: Any) -> None:
    """Let all deliveries be delivered."""
    with site.store.writing() as connection:
        values = {"state": DeliveryState.DELIVERED, "finished_at": at}
        connection.execute(update(Delivery).values(**values))


@pytest.mark.parametrize("batch", [None, (10, 60)], ids=["alone", "collected"])
def test_events_are_kept_for_62_days_and_not_a_second_longer(
    site: Installation, simulated: Simulated, batch: Any
) -> None:
    routed(site, batch=batch)
    take(site, {"trace": "Traceback"}, {})
    end(site, simulated.now)

    simulated.passes(days=62)
    assert pruned(site) == {}

    simulated.passes(seconds=1)
    deliveries = 1 if batch else 2
    assert pruned(site) == {"deliveries": deliveries, "events": 2, "traces": 1}
    assert {count_of(site, one) for one in (Event, Delivery, DeliveryEvent, Trace)} == {0}
    assert count_of(site, RouteRevision) == 1
    assert invariants.check(site) == []


@pytest.mark.parametrize("batch", [None, (10, 60)], ids=["alone", "collected"])
def test_what_waits_is_never_pruned_with_its_trace(
    site: Installation, simulated: Simulated, batch: Any
) -> None:
    routed(site, batch=batch)
    take(site, {"trace": "Traceback"})

    simulated.passes(days=200)

    assert pruned(site) == {}
    assert invariants.check(site) == []


def test_an_event_goes_before_what_told_it_late(site: Installation, simulated: Simulated) -> None:
    routed(site, batch=(10, 60))
    take(site)
    simulated.passes(days=2)
    end(site, simulated.now)

    simulated.passes(days=61)

    assert pruned(site) == {"events": 1}
    assert (count_of(site, Delivery), count_of(site, DeliveryEvent)) == (1, 1)
    assert invariants.check(site) == []
    simulated.passes(days=1, seconds=1)
    assert pruned(site) == {"deliveries": 1}
    assert count_of(site, DeliveryEvent) == 0


def test_a_trace_stays_while_an_event_has_it(site: Installation, simulated: Simulated) -> None:
    take(site, {"trace": "shared"})
    simulated.passes(days=40)
    take(site, {"trace": "shared"})

    simulated.passes(days=30)
    assert pruned(site) == {"events": 1}
    assert count_of(site, Trace) == 1

    simulated.passes(days=33)
    assert pruned(site) == {"events": 1, "traces": 1}


def test_more_than_any_step_takes_is_pruned_to_the_last_event(
    site: Installation, simulated: Simulated
) -> None:
    for _ in range(6):
        take(site, *({} for _ in range(1000)))
    simulated.passes(days=63)
    take(site)

    assert pruned(site) == {"events": 6000}
    assert count_of(site, Event) == 1
