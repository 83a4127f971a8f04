"""Events: decided by the matrix and stored with their deliveries, at most once for each id."""

from __future__ import annotations

import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.clock import from_micros, utc_now
from app.domain.kinds import DeliveryKind, DeliveryState
from app.errors import Conflict, Invalid
from app.models import Delivery, Event, HourlyCount, Idempotency, RouteRevision, Trace
from app.services import events, intake, invariants, routing
from app.services.events import EventBody
from app.services.installation import Installation
from app.services.intake import FailureBody, Report
from app.shapes import parse
from tests.services.event_makers import (
    EVENT,
    event_rows,
    lane,
    routed,
    routes,
    system,
    take,
)
from tests.services.makers import count_of, with_bells
from tests.services.spine import deliveries


def documents(site: Installation) -> list[Any]:
    """Return the documents of all events."""
    return [json.loads(row.document) for row in event_rows(site)]


def decisions(site: Installation) -> list[list[tuple[Any, ...]]]:
    """Return what was decided of each event, without the row and severity of the cell."""
    names = ("system", "outcome", "reason", "delivery")
    return [
        [tuple(one[name] for name in names) for one in json.loads(row.decisions)]
        for row in event_rows(site)
    ]


def test_an_event_of_a_cell_is_stored_with_one_delivery_to_its_system(site: Installation) -> None:
    system_id, lane_id = routed(site)
    before = utc_now()

    answer = take(site, {"dedupKey": "disk-1"})

    (event,), (delivery,) = event_rows(site), deliveries(site)
    assert answer == {
        "accepted": 1,
        "duplicates": 0,
        "events": [{"id": str(event.id), "clientId": None, "duplicate": False}],
    }
    assert before <= event.received_at <= utc_now()
    assert (delivery.event_id, delivery.item_count) == (event.id, 1)
    assert (delivery.system_id, delivery.lane_id) == (system_id, lane_id)
    assert (delivery.kind, delivery.state) == (DeliveryKind.EVENT, DeliveryState.PENDING)
    assert delivery.due_at == delivery.created_at == delivery.reported_at == event.received_at
    assert delivery.why_text == "The cell Metrics / error names it."
    digest = hashlib.blake2b(b"disk-1", digest_size=8).digest()
    assert delivery.order_key == int.from_bytes(digest, "big", signed=True)
    assert decisions(site) == [[(system_id, "send", "own_cell", delivery.id)]]
    assert invariants.check(site) == []


def test_the_document_has_every_field_and_is_compact_utf_8(site: Installation) -> None:
    labels = {"a b": "ü", 'q"': "\\\n"}
    given = {
        "id": "c-1",
        "severity": "critical",
        "title": 'Größe "\\" <b> \U0001f514',
        "description": "one\ntwo\x1b",
        "status": "resolved",
        "dedupKey": "k",
        "node": "n-1",
        "labels": labels,
        "trace": "Traceback",
        "link": "https://example.org/x?a=1#b",
        "occurredAt": "2026-01-02T03:04:05.5+02:00",
    }

    take(site, given)

    (row,) = event_rows(site)
    assert json.loads(row.document) == {
        "id": str(row.id),
        "clientId": "c-1",
        "source": "metrics",
        "severity": "error",
        "severityReceived": "critical",
        "code": None,
        "title": given["title"],
        "description": given["description"],
        "status": "resolved",
        "dedupKey": "k",
        "node": "n-1",
        "labels": labels,
        "link": given["link"],
        "occurredAt": "2026-01-02T01:04:05.500000Z",
        "receivedAt": row.received_at.isoformat().replace("+00:00", "Z"),
        "integration": None,
        "direction": None,
        "failure": None,
        "count": 1,
        "hasTrace": True,
        "outcome": "no_route",
    }
    assert "Größe" in row.document
    compact = json.dumps(json.loads(row.document), ensure_ascii=False, separators=(",", ":"))
    assert row.document == compact
    assert (row.severity, row.status, row.dedup_key) == ("error", "resolved", "k")


def test_what_happened_in_the_future_counts_as_received(site: Installation) -> None:
    ahead = (utc_now() + timedelta(hours=1)).isoformat()

    take(site, {}, {"occurredAt": ahead}, {"occurredAt": "2020-01-01T00:00:00Z"})

    told = [(one["occurredAt"], one["receivedAt"]) for one in documents(site)]
    received = told[0][1]
    assert told == [(received, received), (received, received), ("2020-01-01T00:00:00Z", received)]
    assert datetime.fromisoformat(received) == event_rows(site)[0].received_at


def test_own_and_global_cells_are_told_and_a_system_reached_twice_once(site: Installation) -> None:
    both, shared, info = (system(site, name) for name in ("both", "shared", "info"))
    lanes = {
        (row, one): lane(site, one, row)
        for row, one in (("metrics", both), ("global", both), ("global", shared), ("nodes", info))
    }
    routes(site, {("metrics", "error"): [both], ("global", "error"): [shared, both]})

    take(site, {}, {"source": "nodes"}, {"source": "nodes", "severity": "info"})

    told = [(one.event_id, one.lane_id, one.why) for one in deliveries(site)]
    assert told == [
        (1, lanes["metrics", both], "own_cell"),
        (1, lanes["global", shared], "global_cell"),
        (2, lanes["global", shared], "global_cell"),
        (2, lanes["global", both], "global_cell"),
    ]
    assert [one["outcome"] for one in documents(site)] == ["routed", "routed", "no_route"]
    assert decisions(site)[2] == [(None, "skip", "no_route", None)]
    assert [row.outcome for row in event_rows(site)] == ["routed", "routed", "no_route"]


def test_an_override_tells_nobody_on_purpose(site: Installation) -> None:
    shared = system(site)
    lane(site, shared, "global")
    routes(site, {("metrics", "error"): ([], True), ("global", "error"): [shared]})

    take(site)

    assert deliveries(site) == []
    assert decisions(site) == [[(shared, "skip", "overridden", None)]]
    assert documents(site)[0]["outcome"] == "overridden"


def test_an_event_names_the_revision_that_routed_it_and_new_routes_hold_at_once(
    site: Installation,
) -> None:
    take(site)
    system_id = system(site)
    lane(site, system_id)
    first = routes(site, {("metrics", "error"): [system_id]})
    take(site)
    second = routes(site, {})
    take(site)

    assert [row.revision_id for row in event_rows(site)] == [None, first, second]
    assert [one.event_id for one in deliveries(site)] == [2]


def test_a_system_without_a_lane_is_decided_without_a_delivery_and_said_once(
    site: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    there, missing = system(site, "there"), system(site, "missing")
    lane(site, there)
    routes(site, {("metrics", "error"): [missing, there]})
    site, _ = with_bells(site)

    with caplog.at_level(logging.WARNING, "app.services.events.plans"):
        take(site), take(site)

    first, second = (one.id for one in deliveries(site))
    assert decisions(site) == [
        [(missing, "send", "own_cell", None), (there, "send", "own_cell", first)],
        [(missing, "send", "own_cell", None), (there, "send", "own_cell", second)],
    ]
    assert len(caplog.messages) == 1
    assert invariants.check(site) == []


def test_mail_of_all_rows_goes_through_the_one_lane_of_its_system(site: Installation) -> None:
    mail = system(site, "Mail", kind="smtp")
    lane_id = lane(site, mail, None)
    routes(site, {("metrics", "error"): [mail], ("global", "info"): [mail]})

    take(site, {}, {"severity": "info"})

    assert [one.lane_id for one in deliveries(site)] == [lane_id, lane_id]


def test_lanes_with_something_due_are_woken_once_after_the_commit(site: Installation) -> None:
    _, lane_id = routed(site)
    site, bells = with_bells(site)

    take(site, *({} for _ in range(50)))
    assert bells.rung == [str(lane_id)]
    take(site, {"severity": "info"})
    assert bells.rung == [str(lane_id)]


def test_events_are_counted_by_hour_and_severity(site: Installation) -> None:
    take(site, {}, {"severity": "critical", "id": "1"}, {"severity": "info"})
    take(site, {"severity": "critical", "id": "1"})

    with site.store.reading() as connection:
        counted = dict(connection.execute(select(HourlyCount.name, HourlyCount.count)).all())
    assert counted == {"events.error": 2, "events.info": 1}


def test_an_id_gives_the_same_event_again_to_no_second_effect(site: Installation) -> None:
    routed(site)
    first = take(site, {"id": "a"})

    again = take(site, {"id": "a"}, {"id": "b"})

    assert again["events"] == [
        {**first["events"][0], "duplicate": True},
        {"id": str(event_rows(site)[1].id), "clientId": "b", "duplicate": False},
    ]
    assert (again["accepted"], again["duplicates"]) == (1, 1)
    assert (count_of(site, Event), count_of(site, Delivery)) == (2, 2)
    assert count_of(site, Idempotency) == 2


def test_ids_belong_to_their_api_key(site: Installation) -> None:
    first = take(site, {"id": "a"})
    other = take(site, {"id": "a", "title": "Another"}, api_key=2)
    assert first["events"][0]["id"] != other["events"][0]["id"]


@pytest.mark.parametrize("earlier", ["event", "failure"])
def test_an_id_with_another_body_is_a_conflict_and_nothing_of_its_array_is_taken(
    site: Installation, earlier: str
) -> None:
    if earlier == "event":
        take(site, {"id": "a"})
    else:
        body = parse(FailureBody, {"kind": "global", "message": "x", "id": "a"})
        intake.submit(site, Report(1, "a", "jira", body, utc_now(), may_create=True))
    before = count_of(site, Event), count_of(site, Idempotency)

    with pytest.raises(Conflict, match="The id 'a' was used before with another body"):
        take(site, {}, {"id": "b"}, {"id": "a", "title": "Another"})

    assert (count_of(site, Event), count_of(site, Idempotency)) == before
    assert take(site, {"id": "b"})["accepted"] == 1


def test_an_id_twice_in_an_array_is_a_duplicate_or_a_conflict_of_all(site: Installation) -> None:
    answer = take(site, {"id": "a"}, {"id": "a"}, {})
    assert [one["duplicate"] for one in answer["events"]] == [False, True, False]
    assert answer["events"][0]["id"] == answer["events"][1]["id"]

    with pytest.raises(Conflict):
        take(site, {"id": "b"}, {"id": "b", "title": "Another"})
    assert count_of(site, Event) == 2


def test_many_reports_of_one_id_at_once_give_one_event(site: Installation) -> None:
    routed(site)
    with ThreadPoolExecutor(31) as pool:
        answers = list(pool.map(lambda _: take(site, {"id": "one"}, {}), range(31)))

    assert {answer["events"][0]["id"] for answer in answers} == {answers[0]["events"][0]["id"]}
    assert sum(answer["duplicates"] for answer in answers) == 30
    assert (count_of(site, Event), count_of(site, Delivery)) == (32, 32)
    assert invariants.check(site) == []


def test_a_conflict_fails_no_neighbour_in_the_same_commit(site: Installation) -> None:
    take(site, {"id": "taken"})

    def one(number: int) -> str:
        try:
            return str(
                take(site, {"id": "taken" if number % 3 == 0 else f"{number}", "title": "x"})
            )
        except Conflict:
            return "conflict"

    with ThreadPoolExecutor(12) as pool:
        said = list(pool.map(one, range(30)))

    assert [text == "conflict" for text in said] == [number % 3 == 0 for number in range(30)]
    assert count_of(site, Event) == 21


def test_a_trace_is_kept_once_however_many_events_have_it(site: Installation) -> None:
    trace = "Traceback\x00\nline"
    take(site, {"trace": trace}, {"trace": trace}, {"trace": ""}, {"trace": "other"})

    hashes = [row.trace_hash for row in event_rows(site)]
    assert hashes[0] == hashes[1] == hashlib.sha256(trace.encode()).digest()
    assert hashes[2] is None
    assert [one["hasTrace"] for one in documents(site)] == [True, True, False, True]
    assert count_of(site, Trace) == 2
    assert invariants.check(site) == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "source",
            "global",
            "must be 'metrics', 'backups', 'serviceChecks', 'nodes', 'commands', ",
        ),
        ("severity", "fatal", "must be 'info', 'warning', 'error' or 'critical'"),
        ("status", "open", "must be 'firing' or 'resolved'"),
        ("code", "DISK", "there is no entry 'DISK' in the error catalogue"),
        ("title", "", "must not be empty"),
        ("title", " \u3000", "must not be empty"),
        ("title", "x" * 301, "must have at most 300 characters, has 301"),
        ("title", "a\nb", "must be one line, without line breaks or control characters"),
        ("title", "a\u2028b", "must be one line, without line breaks or control characters"),
        ("title", "a\x00", "must not contain NUL characters"),
        ("title", "\ud800", "must not contain lone surrogates"),
        ("title", 1, "must be a text"),
        ("description", "x" * 20_001, "must have at most 20,000 characters, has 20,001"),
        ("description", "\x00", "must not contain NUL characters"),
        ("dedupKey", "", "must not be empty"),
        ("dedupKey", "x" * 256, "must have at most 255 characters, has 256"),
        ("node", "x" * 256, "must have at most 255 characters, has 256"),
        ("id", "x" * 129, "must have at most 128 characters, has 129"),
        ("id", " ", "must not be empty"),
        ("link", "javascript:alert(1)", "must be an address with https:// or http://"),
        ("link", "https://", "must be an address with https:// or http://"),
        ("link", "https://a b", "must be an address with https:// or http://"),
        ("link", "https://a/" + "x" * 2000, "must have at most 2,000 characters, has 2,010"),
        ("labels", {str(n): "" for n in range(51)}, "must have at most 50 entries"),
        ("labels", [], "must be an object"),
        ("occurredAt", "yesterday", "must be a time as in 2026-11-03T10:31:00Z"),
        ("occurredAt", 1e300, "must be a time as in 2026-11-03T10:31:00Z"),
        ("trace", "x" * 1_048_577, "must have at most 1 MiB (1,048,576 bytes), has 1,048,577"),
        ("unknown", 1, "is not a field of this body"),
    ],
)
def test_each_fault_of_a_field_is_named(field: str, value: object, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(EventBody, EVENT | {field: value})

    (fault,) = caught.value.faults
    assert fault.pointer == f"/{field}"
    assert fault.message.startswith(message)


@pytest.mark.parametrize(
    "labels", [{"": "x"}, {"x" * 101: "x"}, {"a": "x" * 1001}, {"a": 1}, {"a": "\x00"}]
)
def test_a_wrong_label_is_named_below_labels(labels: dict[str, object]) -> None:
    with pytest.raises(Invalid) as caught:
        parse(EventBody, EVENT | {"labels": labels})
    assert all(one.pointer.startswith("/labels/") for one in caught.value.faults)


def test_the_longest_of_everything_is_kept_as_it_is(site: Installation) -> None:
    longest = {
        "id": "i" * 128,
        "title": "é" * 300,
        "description": "\u0301" * 20_000,
        "dedupKey": "\u202e" * 255,
        "node": "=" * 255,
        "labels": {f"{n:02}" + "x" * 98: "'" * 1_000 for n in range(50)},
        "link": "http://h/" + "x" * 1_991,
        "trace": "{{7*7}}" * 100_000,
    }
    take(site, longest)

    (document,) = documents(site)
    assert {name: document[name] for name in longest if name not in ("id", "trace")} == {
        name: value for name, value in longest.items() if name not in ("id", "trace")
    }


def test_a_matrix_that_cannot_be_read_takes_nothing(site: Installation) -> None:
    routed(site)
    with site.store.writing() as connection:
        table: Any = RouteRevision.__table__
        connection.execute(update(table).values(document={"cells": {"nowhere": {"error": {}}}}))
        routing.touch(connection, from_micros(0))

    with pytest.raises(ValueError, match="nowhere"):
        take(site)
    assert count_of(site, Event) == 0


def test_the_received_time_of_a_request_is_not_behind_its_occurrence(site: Installation) -> None:
    bodies = [parse(EventBody, EVENT | {"occurredAt": utc_now().isoformat()})]
    events.submit(site, events.prepare(1, bodies, utc_now()))

    (document,) = documents(site)
    assert document["occurredAt"] <= document["receivedAt"]
