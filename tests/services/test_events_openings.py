"""A resolve goes where its opening went, after it, never alone (product.md 2)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update

from app.domain.kinds import DeliveryState, EndReason
from app.models import Delivery
from app.services.installation import Installation
from tests.services.event_makers import event_rows, lane, routes, system, take
from tests.services.spine import deliveries

OPENS = {"dedupKey": "disk-1"}
ENDS = {"dedupKey": "disk-1", "status": "resolved", "severity": "info"}


@pytest.fixture
def sink(site: Installation) -> int:
    """A system that gets errors of metrics, and nothing of severity info."""
    made = system(site)
    lane(site, made)
    routes(site, {("metrics", "error"): [made]})
    return made


def ways(site: Installation) -> list[list[tuple[Any, ...]]]:
    """Return row, system and reason of each decision of each event that sends."""
    names = ("row", "system", "reason")
    return [
        [tuple(one[name] for name in names) for one in json.loads(row.decisions) if one["delivery"]]
        for row in event_rows(site)
    ]


def end(site: Installation, state: DeliveryState, reason: EndReason | None = None) -> None:
    """Let all deliveries so far be final."""
    with site.store.writing() as connection:
        connection.execute(update(Delivery).values(state=state, reason=reason))


def test_it_goes_to_who_was_told_by_the_same_lane(site: Installation, sink: int) -> None:
    take(site, OPENS)
    take(site, ENDS)

    first, second = deliveries(site)
    assert ways(site)[1] == [("metrics", sink, "follows_opening")]
    assert (second.lane_id, second.order_key) == (first.lane_id, first.order_key)
    assert event_rows(site)[1].outcome == "routed"
    assert second.why_text == "It was told what this resolves."


def test_the_cells_of_now_do_not_matter(site: Installation, sink: int) -> None:
    take(site, OPENS)
    other = system(site, "Other")
    lane(site, other)
    routes(site, {("metrics", "error"): [other]})
    take(site, ENDS)

    assert ways(site)[1] == [("metrics", sink, "follows_opening")]


def test_its_own_cells_are_told_besides_and_nobody_twice(site: Installation, sink: int) -> None:
    everybody = system(site, "Everybody")
    lane(site, everybody, "global")
    lane(site, sink, "global")
    routes(site, {("metrics", "error"): [sink], ("global", "info"): [sink, everybody]})
    take(site, OPENS)
    take(site, ENDS)

    assert ways(site)[1] == [
        ("metrics", sink, "follows_opening"),
        ("global", everybody, "global_cell"),
    ]


@pytest.mark.parametrize("state", [DeliveryState.DEAD, DeliveryState.CANCELLED])
def test_it_never_goes_alone(site: Installation, sink: int, state: DeliveryState) -> None:
    take(site, OPENS)
    end(site, state, EndReason.EXPIRED)
    take(site, ENDS)

    assert sink
    assert ways(site)[1] == []
    assert event_rows(site)[1].outcome == "no_route"


def test_what_was_delivered_is_followed(site: Installation, sink: int) -> None:
    take(site, OPENS)
    end(site, DeliveryState.DELIVERED)
    take(site, ENDS)

    assert ways(site)[1] == [("metrics", sink, "follows_opening")]


def test_what_is_resolved_already_is_not_followed_again(site: Installation, sink: int) -> None:
    take(site, OPENS)
    take(site, ENDS)
    take(site, ENDS)

    assert sink
    assert [len(one) for one in ways(site)] == [1, 1, 0]


def test_another_key_and_no_key_resolve_nothing(site: Installation, sink: int) -> None:
    take(site, OPENS)
    take(site, ENDS | {"dedupKey": "disk-2"})
    take(site, {"status": "resolved", "severity": "info"})

    assert sink
    assert [len(one) for one in ways(site)] == [1, 0, 0]


def test_openings_of_the_same_request_are_followed_too(site: Installation, sink: int) -> None:
    take(site, ENDS, OPENS, ENDS, ENDS, OPENS)
    take(site, ENDS)

    follows = [("metrics", sink, "follows_opening")]
    opens = [("metrics", sink, "own_cell")]
    assert ways(site) == [[], opens, follows, [], opens, follows]


def test_every_system_that_was_told_since_the_last_resolve_is_told(
    site: Installation, sink: int
) -> None:
    take(site, OPENS)
    mail = system(site, "Mail", kind="smtp")
    lane(site, mail, None)
    routes(site, {("global", "error"): [mail]})
    take(site, OPENS)
    take(site, ENDS)

    assert sorted(ways(site)[2]) == [
        ("global", mail, "follows_opening"),
        ("metrics", sink, "follows_opening"),
    ]


def test_a_batch_that_collects_takes_the_resolve_of_what_it_tells(site: Installation) -> None:
    made = system(site, batch=(100, 60))
    lane_id = lane(site, made)
    routes(site, {("metrics", "error"): [made]})
    take(site, OPENS)
    take(site, ENDS)

    (batch,) = deliveries(site)
    assert (batch.lane_id, batch.item_count) == (lane_id, 2)
