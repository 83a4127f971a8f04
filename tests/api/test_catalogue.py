"""The error catalogue over HTTP, and events that are reported by a code of it (product.md 2.3)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.domain.catalogue import ENTRIES
from app.models import Event
from app.services.installation import Installation
from tests.api.helpers import client_with, faults, is_problem
from tests.services.event_makers import lane, routes, system
from tests.services.makers import count_of
from tests.services.spine import deliveries

URL, EVENTS = "/api/v1/catalogue", "/api/v1/events"
MISSING = "is required where there is no code"
CODE = "backup.snapshot_not_found_local"


def codes(client: FlaskClient, **query: Any) -> list[str]:
    """Return the codes of one page."""
    answer = client.get(URL, query_string=query)
    assert answer.status_code == 200, answer.text
    return [item["code"] for item in answer.get_json()["items"]]


def reported(client: FlaskClient, **body: Any) -> dict[str, Any]:
    """Report an event and return its document."""
    answer = client.post(EVENTS, json=body)
    assert answer.status_code == 202, answer.text
    (taken,) = answer.get_json()["events"]
    return dict(client.get(f"{EVENTS}/{taken['id']}").get_json())


def test_each_entry_says_where_it_would_go_now(client: FlaskClient, site: Installation) -> None:
    one, two = system(site, "Hook"), system(site, "Pager")
    routes(site, {("backups", "warning"): [one], ("global", "warning"): [two]})
    found = client.get(URL).get_json()
    assert (len(found["items"]), found["next"]) == (25, None)
    entry = next(item for item in found["items"] if item["code"] == CODE)
    assert entry == {
        "code": CODE,
        "source": "backups",
        "severity": "warning",
        "title": "Unable to find local snapshot",
        "description": "",
        "systems": [
            {
                "system": "Hook",
                "kind": "webhook",
                "row": "backups",
                "severity": "warning",
                "reason": "own_cell",
                "text": "The cell Backups / warning names it.",
            },
            {
                "system": "Pager",
                "kind": "webhook",
                "row": "global",
                "severity": "warning",
                "reason": "global_cell",
                "text": "The cell Global / warning names it for every source.",
            },
        ],
        "notSent": [],
        "sentence": "Goes to Hook (Backups / warning), and to Pager through Global / warning.",
    }


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({}, 25),
        ({"source": "backups"}, 15),
        ({"source": "repairs"}, 10),
        ({"source": "nodes"}, 0),
        ({"severity": "critical"}, 4),
        ({"severity": "error"}, 4),
        ({"severity": "warning", "source": "repairs"}, 7),
        ({"severity": "info"}, 2),
    ],
)
def test_entries_are_filtered(client: FlaskClient, query: dict[str, str], number: int) -> None:
    assert len(codes(client, **query)) == number


def test_the_catalogue_is_paged_in_its_order(client: FlaskClient) -> None:
    query: dict[str, Any] = {"limit": 7, "source": "repairs"}
    first = client.get(URL, query_string=query).get_json()
    found = codes(client, **query) + codes(client, **query, cursor=first["next"])
    assert found == [code for code in ENTRIES if code.startswith("repair.")]
    assert set(faults(client.get(URL, query_string={"code": CODE}))) == {"/code"}
    assert set(faults(client.get(URL, query_string={"cursor": "x"}))) == {"/cursor"}


def test_who_may_read_the_catalogue(app: Flask) -> None:
    assert client_with(app, "read").get(URL).status_code == 200
    assert is_problem(client_with(app, "report").get(URL), 403)


def test_a_code_gives_source_severity_and_title(client: FlaskClient, site: Installation) -> None:
    one = system(site)
    lane(site, one, "repairs")
    routes(site, {("repairs", "error"): [one]})
    found = reported(client, code="repair.process_error")
    given = {
        "code": "repair.process_error",
        "source": "repairs",
        "severity": "error",
        "severityReceived": "critical",
        "title": "Cassandra error in a repair process",
        "description": None,
        "outcome": "routed",
    }
    assert found.items() >= given.items()
    (delivery,) = deliveries(site)
    assert delivery.event_id == int(found["id"])
    with site.store.reading() as connection:
        assert connection.scalar(select(Event.code)) == "repair.process_error"


def test_what_a_code_gives_may_be_repeated_and_the_title_may_be_another(
    client: FlaskClient,
) -> None:
    found = reported(client, code=CODE, source="backups", severity="warning", title="Gone")
    assert (found["title"], found["severityReceived"], found["code"]) == ("Gone", "warning", CODE)
    # It is routed alike, and kept as it was received.
    found = reported(client, code="backup.provider_error", severity="error")
    assert (found["severity"], found["severityReceived"]) == ("error", "error")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"title": "x"}, {"/source": MISSING, "/severity": MISSING}),
        ({"source": "nodes", "severity": "info"}, {"/title": MISSING}),
        ({"severity": "info", "title": "x"}, {"/source": MISSING}),
        (
            {"code": None, "source": None},
            {"/source": MISSING, "/severity": MISSING, "/title": MISSING},
        ),
        (
            {"code": "backup.lost"},
            {"/code": "there is no entry 'backup.lost' in the error catalogue"},
        ),
        ({"code": 1, "title": "x"}, {"/code": "must be a text"}),
        (
            {"code": CODE, "source": "nodes", "severity": "info", "node": 1, "title": ""},
            {
                "/source": f"must be 'backups' or be left out, as the code {CODE!r} gives it",
                "/severity": f"must be 'warning' or be left out, as the code {CODE!r} gives it",
                "/title": "must not be empty",
                "/node": "must be a text",
            },
        ),
    ],
)
def test_what_is_missing_and_what_contradicts_is_named(
    client: FlaskClient, site: Installation, body: dict[str, Any], expected: dict[str, str]
) -> None:
    assert faults(client.post(EVENTS, json=body)) == expected
    second = {f"/1{pointer}": message for pointer, message in expected.items()}
    assert faults(client.post(EVENTS, json=[{"code": CODE}, body])) == second
    assert count_of(site, Event) == 0


def test_events_are_found_by_their_code(client: FlaskClient) -> None:
    wanted = reported(client, code=CODE)
    reported(client, code="backup.deleted")
    found = client.get(EVENTS, query_string={"code": CODE}).get_json()["items"]
    assert [item["id"] for item in found] == [wanted["id"]]


def test_a_body_with_a_code_is_the_same_when_it_comes_again(client: FlaskClient) -> None:
    first = client.post(EVENTS, json={"id": "a", "code": CODE}).get_json()["events"][0]
    again = client.post(EVENTS, json={"id": "a", "code": CODE}).get_json()["events"][0]
    assert again == first | {"duplicate": True}
    other = client.post(EVENTS, json={"id": "a", "code": CODE, "severity": "warning"})
    assert is_problem(other, 409)
