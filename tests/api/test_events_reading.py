"""Events as they are read: pages by filter with bounded work, one with its trace, its decisions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, update

from app.models import System
from app.services.installation import Installation
from app.services.reading import event_filter
from tests.api.helpers import faults, is_problem
from tests.services.event_makers import lane, routed, routes, system, take
from tests.services.spine import deliveries
from tests.simulated import Simulated

URL = "/api/v1/events"


def titles(client: FlaskClient, **query: Any) -> list[str]:
    """Return the titles of one page."""
    answer = client.get(URL, query_string=query)
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.get_json()["items"]]


def walked(client: FlaskClient, **query: Any) -> list[str]:
    """Return the titles of all pages."""
    found, cursor = [], None
    while True:
        more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        page = client.get(URL, query_string=query | more).get_json()
        found += [item["title"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return found


def test_events_come_newest_first_in_pages(client: FlaskClient, site: Installation) -> None:
    take(site, *({"title": f"{number}"} for number in range(7)))
    newest = [f"{number}" for number in reversed(range(7))]
    assert titles(client) == newest
    assert titles(client, limit=3) == newest[:3]
    assert walked(client, limit=3) == newest
    assert walked(client, limit=7) == newest


def test_a_list_item_is_the_event_as_it_was_taken(client: FlaskClient, site: Installation) -> None:
    take(site, {"title": "ü", "labels": {"a": "b"}, "occurredAt": "2026-01-01T00:00:00.25Z"})
    (item,) = client.get(URL).get_json()["items"]
    read = client.get(f"{URL}/{item['id']}").get_json()
    assert read == item | {"trace": None}
    assert (
        item.items()
        >= {
            "title": "ü",
            "labels": {"a": "b"},
            "occurredAt": "2026-01-01T00:00:00.250000Z",
            "count": 1,
            "integration": None,
            "outcome": "no_route",
        }.items()
    )


@pytest.fixture
def mixed(site: Installation) -> None:
    """Eight events of every sort; the ones of metrics and error go somewhere."""
    routed(site)
    take(
        site,
        {"title": "one", "dedupKey": "k", "severity": "critical"},
        {"title": "two", "source": "nodes", "node": "db-1"},
        {"title": "three", "severity": "info", "status": "resolved"},
        {"title": "four", "source": "nodes", "severity": "info", "dedupKey": "k"},
        {"title": 'five % \\ "5"', "source": "backups", "severity": "warning"},
        {"title": "six", "description": "GRÖSSE\nof it"},
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"source": "nodes"}, ["four", "two"]),
        ({"severity": "error"}, ["six", "two", "one"]),
        ({"severity": "info"}, ["four", "three"]),
        ({"source": "metrics", "severity": "error"}, ["six", "one"]),
        ({"status": "resolved"}, ["three"]),
        ({"status": "firing", "source": "metrics"}, ["six", "one"]),
        ({"outcome": "routed"}, ["six", "one"]),
        ({"outcome": "no_route", "severity": "info"}, ["four", "three"]),
        ({"dedupKey": "k"}, ["four", "one"]),
        ({"dedupKey": "k", "source": "nodes"}, ["four"]),
        ({"dedupKey": "k", "integration": "erp"}, []),
        ({"integration": "erp"}, []),
        ({"code": "x"}, []),
        ({"q": "THREE"}, ["three"]),
        ({"q": "grös"}, ["six"]),
        ({"q": "\n"}, ["six"]),
        ({"q": "DB-1"}, ["two"]),
        ({"q": '% \\ "5'}, ['five % \\ "5"']),
        ({"q": "_"}, []),
        ({"q": "metrics"}, []),
        ({"q": "e", "source": "metrics"}, ["six", "three", "one"]),
    ],
)
@pytest.mark.usefixtures("mixed")
def test_each_filter_keeps_what_it_names(
    client: FlaskClient, query: dict[str, str], expected: list[str]
) -> None:
    found = titles(client, **query)
    assert [title for title in found if title in expected] == expected
    assert found == expected


def test_times_are_those_of_the_receipt(
    client: FlaskClient, site: Installation, simulated: Simulated
) -> None:
    moments = []
    for number in range(6):
        moments.append(simulated.now)
        take(site, {"title": f"{number}"})
        simulated.passes(minutes=10)

    def at(number: int, **more: float) -> str:
        return (moments[number] + timedelta(**more)).isoformat()

    assert titles(client, since=at(3)) == ["5", "4", "3"]
    assert titles(client, until=at(3)) == ["2", "1", "0"]
    assert titles(client, since=at(2), until=at(4)) == ["3", "2"]
    assert titles(client, since=at(2, seconds=1), until=at(4, seconds=1)) == ["4", "3"]
    assert titles(client, since=at(5, days=1)) == titles(client, until=at(0)) == []


def test_a_page_walks_a_bounded_number_of_events_and_goes_on(
    client: FlaskClient, site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_filter, "MOST_WALKED", 10)
    take(site, *({"title": f"{n}", "node": "rare" if n % 15 == 0 else None} for n in range(40)))

    first = client.get(URL, query_string={"q": "rare"}).get_json()

    assert [item["title"] for item in first["items"]] == ["30"]
    assert first["next"] is not None
    assert walked(client, q="rare") == ["30", "15", "0"]
    assert walked(client, q="rare", limit=1) == ["30", "15", "0"]
    assert walked(client, q="rare", source="metrics", severity="error") == ["30", "15", "0"]
    assert walked(client, q="never") == []
    assert walked(client) == [f"{n}" for n in reversed(range(40))]


@pytest.mark.parametrize(
    "query",
    [
        {"source": "global"}, {"severity": "critical"}, {"status": "open"}, {"outcome": "sent"},
        {"since": "now"}, {"q": "\x00"}, {"limit": "0"}, {"cursor": "x"}, {"colour": "red"},
        {"node": "a"}, {"dedupKey": "x" * 256},
    ],
    ids=lambda query: next(iter(query)),
)  # fmt: skip
def test_a_wrong_filter_is_named(client: FlaskClient, query: dict[str, str]) -> None:
    (name,) = query
    assert list(faults(client.get(URL, query_string=query))) == [f"/{name}"]


def test_what_is_not_there_is_404(client: FlaskClient) -> None:
    assert is_problem(client.get(f"{URL}/1"), 404)
    assert is_problem(client.get(f"{URL}/1/decisions"), 404)


def test_decisions_say_where_an_event_went_and_by_which_cell(
    client: FlaskClient, site: Installation
) -> None:
    own, shared, over = (system(site, name) for name in ("Own", "Shared", "Over"))
    lane(site, own), lane(site, shared, "global")
    names = {own: "Own then", shared: "Shared then", over: "Over then"}
    cells: dict[tuple[str, str], Any] = {
        ("metrics", "error"): [own],
        ("global", "error"): [shared],
        ("global", "info"): [over],
        ("metrics", "info"): ([], True),
    }
    routes(site, cells, names)
    taken = take(site, {"severity": "critical"}, {"severity": "info"}, {"severity": "warning"})
    first, second, third = (one["id"] for one in taken["events"])
    with site.store.writing() as connection:
        connection.execute(delete(System).where(System.id == over))
        connection.execute(update(System).where(System.id == own).values(name="Renamed"))

    def decided(event: str) -> Any:
        return client.get(f"{URL}/{event}/decisions").get_json()["items"]

    made = [str(one.id) for one in deliveries(site)]
    at = client.get(f"{URL}/{first}").get_json()["receivedAt"]
    assert decided(first) == [
        {
            "at": at,
            "rule": {"kind": "cell", "row": "metrics", "severity": "error", "integration": None},
            "system": "Renamed",
            "outcome": "send",
            "reason": "own_cell",
            "text": "The cell Metrics / error names it.",
            "delivery": made[0],
            "history": [],
        },
        {
            "at": at,
            "rule": {"kind": "cell", "row": "global", "severity": "error", "integration": None},
            "system": "Shared",
            "outcome": "send",
            "reason": "global_cell",
            "text": "The cell Global / error names it for every source.",
            "delivery": made[1],
            "history": [],
        },
    ]
    (one,) = decided(second)
    assert (one["system"], one["reason"], one["delivery"]) == ("Over then", "overridden", None)
    (one,) = decided(third)
    assert (one["system"], one["reason"], one["outcome"]) == (None, "no_route", "skip")


def test_deliveries_are_found_by_event_and_source_and_called_by_their_title(
    client: FlaskClient, site: Installation
) -> None:
    one, many = system(site, "One"), system(site, "Many", batch=(100, 60))
    lane(site, one), lane(site, many, "global")
    routes(site, {("metrics", "error"): [one], ("global", "error"): [many]})
    ids = [
        taken["id"]
        for taken in take(site, {"title": "A"}, {"title": "B", "source": "nodes"}, {"title": "C"})[
            "events"
        ]
    ]

    def found(**query: str) -> list[tuple[str, str, list[str], int]]:
        items = client.get("/api/v1/deliveries", query_string=query).get_json()["items"]
        names = ("system", "subject", "events", "itemCount")
        return sorted(tuple(item[name] for name in names) for item in items)

    batch = ("Many", "3 events, the first: A", ids, 3)
    assert found() == [batch, ("One", "A", ids[:1], 1), ("One", "C", ids[2:], 1)]
    assert found(event=ids[2]) == [batch, ("One", "C", ids[2:], 1)]
    assert found(event=ids[1]) == found(source="nodes") == [batch]
    assert found(source="metrics", system="One") == [
        ("One", "A", ids[:1], 1),
        ("One", "C", ids[2:], 1),
    ]
    assert found(source="backups") == found(event="999") == []
    items = client.get("/api/v1/deliveries", query_string={"event": ids[1]}).get_json()["items"]
    whole = client.get(f"/api/v1/deliveries/{items[0]['id']}").get_json()
    assert whole["decisions"][0]["rule"] == {
        "kind": "cell", "row": "global", "severity": "error", "integration": None,
    }  # fmt: skip
