"""What must be true of events: each rule is broken by hand, and named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from app.clock import utc_now
from app.domain.kinds import DeliveryState
from app.models import Delivery, DeliveryEvent, Event, Trace
from app.services import invariants
from app.services.installation import Installation
from tests.services.event_makers import routed, take

ALONE = "an open delivery of one event has it"
COLLECTED = "an open delivery of several events has as many as it counts"
NAMED = "a routed event has the deliveries that its decisions name"


def broken(site: Installation) -> set[str]:
    """Return the invariants that do not hold."""
    return {one.text for one in invariants.check(site)}


def run(site: Installation, *statements: Any) -> None:
    """Run statements."""
    with site.store.writing() as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("batch", [None, (10, 60)], ids=["alone", "collected"])
def test_what_intake_writes_breaks_nothing_and_what_was_sent_needs_no_recipient(
    site: Installation, batch: Any
) -> None:
    routed(site, batch=batch)
    take(site, {"trace": "x"}, {}, {"severity": "info"})
    assert broken(site) == set()

    sent = {"state": DeliveryState.DELIVERED, "finished_at": utc_now()}
    run(site, update(Delivery).values(**sent))
    assert broken(site) == set()


def test_a_delivery_without_its_event_is_named(site: Installation) -> None:
    routed(site)
    take(site)
    run(site, delete(Event))
    assert broken(site) == {ALONE}


def test_a_batch_without_one_of_its_events_is_named(site: Installation) -> None:
    routed(site, batch=(10, 60))
    take(site, {}, {})
    run(site, delete(Event).where(Event.id == 1))
    assert broken(site) == {COLLECTED}
    run(site, update(Delivery).values(item_count=1))
    assert broken(site) == set()
    run(site, delete(DeliveryEvent))
    assert broken(site) == {COLLECTED, NAMED}


def test_an_event_without_its_delivery_is_named_unless_that_may_be_pruned(
    site: Installation,
) -> None:
    routed(site)
    take(site)
    run(site, delete(Delivery))
    assert broken(site) == {NAMED}
    run(site, update(Event).values(received_at=utc_now() - timedelta(days=2)))
    assert broken(site) == set()


def test_an_event_without_its_trace_is_named(site: Installation) -> None:
    take(site, {"trace": "x"})
    run(site, delete(Trace))
    assert broken(site) == {"an event has the trace that it names"}
