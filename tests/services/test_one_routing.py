"""Preview, simulation, catalogue and intake say the same of every event, whatever the matrix."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import select

from app.clock import utc_now
from app.domain.catalogue import ENTRIES
from app.domain.event_kinds import Row, Severity, Source
from app.models import Delivery, DeliveryEvent, Event, Lane, System
from app.services import catalogue, events, invariants, routes, routing_board, routing_preview
from app.services.catalogue import CatalogueQuery
from app.services.events import EventBody
from app.services.installation import Installation
from app.services.paging import PageQuery
from app.services.reading import events as reading
from app.services.routing_preview import Preview, PreviewBody
from app.services.routing_simulation import Simulation, simulate
from app.shapes import parse
from tests.services.event_makers import take
from tests.services.makers import ACTOR, NO_LOGIN, put_system

SEED = 4711
NAMES = ("Hook", "Twin", "Batch", "Pager", "Ops mail", "Mail 2")
Told = set[tuple[str | None, str]]


@pytest.fixture
def chance() -> random.Random:
    """The same chance in every run."""
    return random.Random(SEED)  # noqa: S311 - no secret is made of it


@pytest.fixture(autouse=True)
def _systems(site: Installation) -> None:
    """Mail, HTTP, several events at a time, and one that is paused."""
    url = {"url": "http://127.0.0.1:9/a"}
    batch = {"size": 3, "timeWindow": 60}
    for name in ("Hook", "Twin"):
        put_system(site, name, kind="webhook", options=url)
    put_system(site, "Batch", kind="webhook", options={**url, "batchNotify": batch})
    put_system(site, "Pager", kind="webhook", options=url, status="paused")
    for name in ("Ops mail", "Mail 2"):
        put_system(site, name, options={**NO_LOGIN, "toEmail": "ops@corp.example"})


def any_matrix(chance: random.Random) -> dict[str, Any]:
    """Return a body of PUT /routes: some cells, some of them empty, some with override."""
    cells = [
        {
            "source": str(row),
            "severity": str(severity),
            "systems": chance.sample(NAMES, chance.choice((0, 1, 1, 2, 4))),
            "override": row is not Row.GLOBAL and chance.random() < 0.3,
        }
        for row in Row
        for severity in Severity
        if chance.random() < 0.7
    ]
    return {"cells": cells}


def any_event(chance: random.Random) -> dict[str, Any]:
    """Return an event by source and severity, or by a code."""
    if chance.random() < 0.3:
        return {"code": chance.choice(list(ENTRIES))}
    severities = ("info", "warning", "error", "critical")
    return {"source": str(chance.choice(list(Source))), "severity": chance.choice(severities)}


def previewed(site: Installation, event: dict[str, Any]) -> Preview:
    return routing_preview.preview(site, parse(PreviewBody, event))


def report(site: Installation, several: Iterable[dict[str, Any]]) -> list[int]:
    """Report events as one request, and return their ids."""
    filled = [one if "code" in one else one | {"title": "It failed"} for one in several]
    made = [parse(EventBody, body) for body in filled]
    answer = events.submit(site, events.prepare(1, made, utc_now()))
    return [int(one["id"]) for one in answer["events"]]


def delivered(site: Installation, event_id: int) -> Told:
    """Return the systems that have a delivery of an event, each with the row of its lane."""
    mine = select(DeliveryEvent.delivery_id).where(DeliveryEvent.event_id == event_id)
    query = (
        select(System.name, Lane.row, Delivery.why, Event.source)
        .join(System, System.id == Delivery.system_id)
        .join(Lane, Lane.id == Delivery.lane_id)
        .join(Event, Event.id == event_id)
        .where((Delivery.event_id == event_id) | Delivery.id.in_(mine))
    )
    with site.store.reading() as connection:
        rows = connection.execute(query).all()
    own = {"own_cell": None, "global_cell": "global"}
    return {(row.name, row.row or own[row.why] or str(row.source)) for row in rows}


def decided(site: Installation, event_id: int) -> tuple[Told, set[tuple[str | None, str]]]:
    """Return what the event's stored decisions say: told by which row, and not told for what."""
    items = reading.decided(site, event_id).items
    told = {(one.system, str(one.rule.row)) for one in items if one.outcome == "send"}
    return told, {(one.system, one.reason) for one in items if one.outcome == "skip"}


def told(preview: Preview) -> Told:
    return {(one.system, str(one.row)) for one in preview.systems}


def simulated(site: Installation, draft: dict[str, Any]) -> list[Simulation]:
    """Return all pages of a simulation."""
    pages, cursor = [], None
    while True:
        wanted = PageQuery.model_construct(limit=7, cursor=cursor)
        pages.append(simulate(site, {"draft": draft}, wanted))
        cursor = pages[-1].next
        if cursor is None:
            return pages


def test_what_is_previewed_is_decided_and_delivered(
    site: Installation, chance: random.Random
) -> None:
    for _ in range(5):
        draft = any_matrix(chance)
        routes.replace(site, ACTOR, draft)
        several = [any_event(chance) for _ in range(40)]
        expected = [previewed(site, event) for event in several]
        for event_id, preview in zip(report(site, several), expected, strict=True):
            assert told(preview) == delivered(site, event_id)
            left = {(one.system, str(one.reason)) for one in preview.not_sent}
            assert (told(preview), left) == decided(site, event_id)
    assert invariants.check(site) == []


def test_a_matrix_simulated_on_its_own_events_differs_in_nothing(
    site: Installation, chance: random.Random
) -> None:
    draft = any_matrix(chance)
    routes.replace(site, ACTOR, draft)
    report(site, [any_event(chance) for _ in range(40)])
    assert simulated(site, draft) == [Simulation(events=40, differences=[], next=None)]


def test_a_simulated_draft_does_to_events_what_it_then_does(
    site: Installation, chance: random.Random
) -> None:
    for _ in range(4):
        routes.replace(site, ACTOR, any_matrix(chance))
        several = [any_event(chance) for _ in range(30)]
        ids = report(site, several)
        draft = any_matrix(chance)
        pages = simulated(site, draft)
        found = {int(one.event): one for page in pages for one in page.differences}

        routes.replace(site, ACTOR, draft)
        for event_id, again in zip(ids, report(site, several), strict=True):
            before, after = decided(site, event_id)[0], decided(site, again)[0]
            if before == after:
                assert event_id not in found
                continue
            one = found[event_id]
            assert {(way.system, str(way.row)) for way in one.before} == before
            assert {(way.system, str(way.row)) for way in one.after} == after


def test_a_resolve_that_follows_its_opening_is_no_difference(
    site: Installation, chance: random.Random
) -> None:
    routes.replace(site, ACTOR, any_matrix(chance))
    opened = [any_event(chance) | {"dedupKey": f"k{number}"} for number in range(30)]
    openings = report(site, opened)
    draft = any_matrix(chance)
    routes.replace(site, ACTOR, draft)
    report(site, [event | {"status": "resolved"} for event in opened])

    found = {int(one.event) for page in simulated(site, draft) for one in page.differences}
    changed = {
        event_id
        for event_id, event in zip(openings, opened, strict=True)
        if told(previewed(site, {k: v for k, v in event.items() if k != "dedupKey"}))
        != decided(site, event_id)[0]
    }
    assert found == changed


def test_the_catalogue_says_where_each_code_really_goes(
    site: Installation, chance: random.Random
) -> None:
    routes.replace(site, ACTOR, any_matrix(chance))
    entries = catalogue.page(site, CatalogueQuery.model_validate({})).items
    ids = report(site, [{"code": entry.code} for entry in entries])
    for entry, event_id in zip(entries, ids, strict=True):
        assert told(entry) == delivered(site, event_id)


def test_a_draft_is_previewed_and_linted_unsaved(site: Installation) -> None:
    take(site)
    cell = {"source": "global", "severity": "error", "systems": ["Hook", "Twin"]}
    board = routing_board.draft(site, {"cells": [cell]})
    asked = routing_preview.asked(parse(PreviewBody, {"code": "backup.provider_error"}))
    found = routing_preview.explained(board, asked)
    assert [one.system for one in found.systems] == ["Hook", "Twin"]
    assert routing_board.current(site).systems == {}
