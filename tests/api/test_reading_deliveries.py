"""Reading deliveries: the shape, each filter, recipients, attempts, and why they were made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient

from app.clock import utc_now
from app.services.installation import Installation
from tests.api import rows
from tests.api.helpers import faults, is_problem

SHAPE = set(
    "id kind system lane state reason confirmed overdue subject createdAt dueAt expiresAt "
    "finishedAt attemptCount retriesUsed retriesOf nextRetry parent events failures itemCount "
    "recipients".split()
)


def _one(client: FlaskClient, delivery: int) -> dict[str, Any]:
    answer = client.get(f"/api/v1/deliveries/{delivery}")
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def _ids(client: FlaskClient, **filters: Any) -> list[int]:
    answer = client.get("/api/v1/deliveries", query_string=filters)
    assert answer.status_code == 200, answer.text
    return [int(item["id"]) for item in answer.get_json()["items"]]


def test_a_waiting_mail_is_read_in_the_documented_shape(
    client: FlaskClient, site: Installation
) -> None:
    mail = rows.system(site)
    lane = rows.lane(site, mail)
    delivery = rows.delivery(site, mail, lane_id=lane, parent_id=4)
    document = _one(client, delivery)
    assert set(document) == SHAPE | {"attempts", "decisions"}
    expected: dict[str, Any] = {
        "id": str(delivery),
        "kind": "failure",
        "system": "Mail",
        "lane": str(lane),
        "state": "pending",
        "reason": None,
        "confirmed": False,
        "overdue": True,
        "subject": None,
        "createdAt": "2026-11-03T12:00:00Z",
        "dueAt": None,
        "expiresAt": None,
        "finishedAt": None,
        "attemptCount": 0,
        "retriesUsed": 0,
        "retriesOf": None,
        "nextRetry": None,
        "parent": "4",
        "events": [],
        "failures": [],
        "itemCount": 1,
        "recipients": [],
        "attempts": [],
    }
    assert document | expected == document
    listed = client.get("/api/v1/deliveries").get_json()["items"][0]
    assert set(listed) == SHAPE


def test_a_delivery_says_why_it_was_made(client: FlaskClient, site: Installation) -> None:
    mail, erp = rows.system(site), rows.integration(site)
    delivery = rows.delivery(site, mail, integration_id=erp)
    assert _one(client, delivery)["decisions"] == [
        {
            "at": "2026-11-03T12:00:00Z",
            "rule": {"kind": "registration", "row": None, "severity": None, "integration": "erp"},
            "system": "Mail",
            "outcome": "send",
            "reason": "count_reached",
            "text": "3 of 3 failures in a row.",
            "delivery": str(delivery),
            "history": [],
        }
    ]


def test_only_mail_that_waits_for_more_than_three_days_is_overdue(
    client: FlaskClient, site: Installation
) -> None:
    mail, hook = rows.system(site), rows.system(site, "Hook", kind="webhook")
    young = utc_now() - timedelta(days=3) + timedelta(minutes=1)
    assert _one(client, rows.delivery(site, mail))["overdue"] is True
    assert _one(client, rows.delivery(site, mail, reported_at=young))["overdue"] is False
    assert _one(client, rows.delivery(site, mail, state="delivered"))["overdue"] is False
    assert _one(client, rows.delivery(site, hook))["overdue"] is False


def test_what_does_not_go_by_mail_ends_three_days_after_its_report(
    client: FlaskClient, site: Installation
) -> None:
    delivery = rows.delivery(site, rows.system(site, "Hook", kind="webhook"))
    assert _one(client, delivery)["expiresAt"] == "2026-11-06T12:00:00Z"


def test_the_latest_hundred_failures_are_named_and_all_are_counted(
    client: FlaskClient, site: Installation
) -> None:
    delivery = rows.delivery(site, rows.system(site), item_count=120)
    for failure in range(1, 121):
        rows.item(site, delivery, failure)
    document = _one(client, delivery)
    assert document["failures"] == [str(failure) for failure in range(120, 20, -1)]
    assert document["itemCount"] == 120


FILTERS: list[tuple[dict[str, str], str]] = [
    ({}, "ba"),
    ({"state": "pending"}, "a"),
    ({"state": "cancelled"}, "b"),
    ({"state": "dead"}, ""),
    ({"reason": "operator"}, "b"),
    ({"reason": "expired"}, ""),
    ({"kind": "failure"}, "a"),
    ({"kind": "digest"}, "b"),
    ({"system": "Mail"}, "a"),
    ({"system": "Other"}, "b"),
    ({"system": "mail"}, ""),
    ({"lane": "LANE"}, "a"),
    ({"lane": "999"}, ""),
    ({"integration": "erp"}, "a"),
    ({"integration": "crm"}, ""),
    ({"failure": "5"}, "a"),
    ({"failure": "6"}, ""),
    ({"since": "2026-11-04T12:00:00Z"}, "b"),
    ({"until": "2026-11-04T12:00:00Z"}, "a"),
    ({"state": "pending", "kind": "digest"}, ""),
]


def test_each_filter_keeps_what_it_names(client: FlaskClient, site: Installation) -> None:
    mail, other = rows.system(site), rows.system(site, "Other")
    lane, erp = rows.lane(site, mail), rows.integration(site)
    later = rows.NOON + timedelta(days=1)
    ended = {"kind": "digest", "state": "cancelled", "reason": "operator", "created_at": later}
    known = {
        "a": rows.delivery(site, mail, lane_id=lane, integration_id=erp),
        "b": rows.delivery(site, other, **ended),
    }
    rows.item(site, known["a"], 5)
    for filters, found in FILTERS:
        wanted = {name: value.replace("LANE", str(lane)) for name, value in filters.items()}
        assert _ids(client, **wanted) == [known[name] for name in found], filters


def test_a_wrong_filter_is_named(client: FlaskClient) -> None:
    for name, value in (
        ("state", "open"),
        ("reason", "bored"),
        ("kind", "mail"),
        ("lane", "x"),
        ("lane", "9" * 19),
        ("failure", "-1"),
        ("since", ""),
        ("event", "x"),
        ("source", "nowhere"),
    ):
        answer = client.get("/api/v1/deliveries", query_string={name: value})
        assert list(faults(answer)) == [f"/{name}"], (name, value)


def test_pages_follow_one_another_newest_first(client: FlaskClient, site: Installation) -> None:
    mail = rows.system(site)
    made = [rows.delivery(site, mail) for _ in range(5)]
    page = client.get("/api/v1/deliveries?limit=3").get_json()
    rest = client.get(f"/api/v1/deliveries?limit=3&cursor={page['next']}").get_json()
    ids = [int(item["id"]) for item in page["items"] + rest["items"]]
    assert (ids, rest["next"]) == (made[::-1], None)


def test_attempts_are_read_in_order_with_all_they_know(
    client: FlaskClient, site: Installation
) -> None:
    delivery = rows.delivery(site, rows.system(site), attempt_count=2)
    rows.attempt(site, delivery, 2)
    rows.attempt(
        site, delivery, 1, duration_ms=12, verdict="failed", reason="connection", status=0,
        request="MAIL FROM x", answer="refused", transcript="S: 421", count=3,
    )  # fmt: skip
    first, second = _one(client, delivery)["attempts"]
    assert first == {
        "number": 1,
        "startedAt": "2026-11-03T12:00:00Z",
        "durationMs": 12,
        "count": 3,
        "verdict": "failed",
        "reason": "connection",
        "status": 0,
        "request": "MAIL FROM x",
        "answer": "refused",
        "transcript": "S: 421",
    }
    assert (second["number"], second["verdict"], second["durationMs"]) == (2, None, None)


def test_a_delivery_that_is_not_there_is_404(client: FlaskClient) -> None:
    assert is_problem(client.get("/api/v1/deliveries/77"), 404)
