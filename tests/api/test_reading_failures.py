"""Reading failures: the shape, each filter, pages, traces and decisions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

from app.clock import utc_now
from app.models import Failure
from app.services.installation import Installation
from tests.api import rows
from tests.api.helpers import faults, is_problem, reported

SHAPE = set(
    "id errorType kind integration direction errorCode message entityType entityId project count "
    "retryCount maxRetryCount totalRetryCount accessible state firstLoggedAt lastLoggedAt notified "
    "system row reason waiting hasTrace".split()
)


def _items(client: FlaskClient, **filters: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/failures", query_string=filters)
    assert answer.status_code == 200, answer.text
    return list(answer.get_json()["items"])


def _ids(client: FlaskClient, **filters: Any) -> list[str]:
    return [item["id"] for item in _items(client, **filters)]


def test_a_reported_failure_is_read_in_the_documented_shape(client: FlaskClient) -> None:
    failure = reported(
        client, kind="processing", errorCode="E1", entityType="Bug", entityId="7", project="P",
        retryCount=2, maxRetryCount=5, occurredAt="2026-11-03T12:00:00+02:00",
    )  # fmt: skip
    document = client.get(f"/api/v1/failures/{failure}").get_json()
    assert set(document) == SHAPE | {"trace"}
    assert document["id"] == failure
    expected = {
        "errorType": "integration",
        "kind": "processing",
        "integration": "erp",
        "direction": "forward",
        "errorCode": "E1",
        "message": "Connection refused",
        "entityType": "Bug",
        "entityId": "7",
        "project": "P",
        "count": 1,
        "retryCount": 2,
        "maxRetryCount": 5,
        "accessible": True,
        "state": "open",
        "notified": None,
        "system": None,
        "row": None,
        "reason": None,
        "waiting": 0,
        "hasTrace": False,
        "trace": None,
        "firstLoggedAt": "2026-11-03T10:00:00Z",
        "lastLoggedAt": "2026-11-03T10:00:00Z",
    }
    assert document | expected == document


def test_the_list_has_the_same_shape_without_the_trace(client: FlaskClient) -> None:
    reported(client, trace="at x")
    (item,) = _items(client)
    assert set(item) == SHAPE
    assert item["hasTrace"] is True


def test_a_trace_is_read_as_it_was_sent(client: FlaskClient) -> None:
    trace = "at x\r\n\tat ü 日本\x00\x1b\n" * 1000
    failure = reported(client, trace=trace)
    assert client.get(f"/api/v1/failures/{failure}").get_json()["trace"] == trace


def test_the_failure_reported_last_comes_first(client: FlaskClient) -> None:
    first, second = reported(client, message="one"), reported(client, message="two")
    assert _ids(client) == [second, first]
    reported(client, message="one")
    assert _ids(client) == [first, second]


FILTERS: list[tuple[dict[str, str], str]] = [
    ({"kind": "global"}, "g"),
    ({"kind": "processing"}, "p"),
    ({"errorType": "integration"}, "gp"),
    ({"errorType": "other"}, "o"),
    ({"integration": "erp"}, "go"),
    ({"integration": "crm"}, "p"),
    ({"integration": "nobody"}, ""),
    ({"direction": "backward"}, "p"),
    ({"errorCode": "E1"}, "g"),
    ({"entityId": "7"}, "p"),
    ({"state": "open"}, "gpo"),
    ({"state": "resolved"}, ""),
    ({"notified": "true"}, "g"),
    ({"notified": "false"}, "po"),
    ({"q": "REFUSED"}, "g"),
    ({"q": "100%"}, "p"),
    ({"q": "1_0"}, ""),
    ({"q": "e1"}, "g"),
    ({"since": "2026-11-03T11:30:00Z"}, "o"),
    ({"until": "2026-11-03T11:30:00Z"}, "gp"),
    ({"since": "2026-11-03T12:00:00Z"}, "o"),
    ({"until": "2026-11-03T12:00:00Z"}, "gp"),
    ({"kind": "global", "integration": "crm"}, ""),
]


def test_each_filter_keeps_what_it_names(client: FlaskClient, site: Installation) -> None:
    known = {
        "g": reported(client, "erp", errorCode="E1", occurredAt="2026-11-03T10:00:00Z"),
        "p": reported(
            client,
            "crm",
            kind="processing",
            entityId="7",
            direction="backward",
            message="at 100% of 100",
            occurredAt="2026-11-03T11:00:00Z",
        ),
    }
    mail = rows.system(site)
    with site.store.reading() as connection:
        erp = connection.exec_driver_sql("SELECT id FROM integrations WHERE key = 'erp'").scalar()
    known["o"] = str(rows.other_error(site, mail, erp))
    with site.store.writing() as connection:
        told = update(Failure).where(Failure.id == int(known["g"]))
        connection.execute(told.values(notified_at=rows.NOON, notified_delivery_id=9))
    for filters, found in FILTERS:
        assert set(_ids(client, **filters)) == {known[name] for name in found}, filters


def test_a_wrong_filter_is_named(client: FlaskClient) -> None:
    for name, value in (
        ("kind", "other"),
        ("errorType", ""),
        ("direction", "up"),
        ("state", "OPEN"),
        ("notified", "1"),
        ("since", "yesterday"),
        ("until", "2026-11-03T10:00:00"),
        ("q", "x" * 256),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "1.0"),
        ("limit", "-1"),
        ("cursor", "nonsense"),
        ("cursor", "MTI"),
        ("cursor", "OTk5OTk5OTk5OTk5OTk5OTk5OS4x"),
        ("cursor", "é"),
    ):
        answer = client.get("/api/v1/failures", query_string={name: value})
        assert list(faults(answer)) == [f"/{name}"], (name, value)


def test_a_plus_sign_that_was_not_encoded_is_taken_for_what_it_means(client: FlaskClient) -> None:
    failure = reported(client, occurredAt="2026-11-03T10:00:00Z")
    answer = client.get("/api/v1/failures?since=2026-11-03T11:00:00+01:00")
    assert [item["id"] for item in answer.get_json()["items"]] == [failure]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_hold_every_failure_once_though_times_are_equal(
    client: FlaskClient, limit: int
) -> None:
    at = "2026-11-03T10:00:00Z"
    made = [reported(client, message=f"{word} failed", occurredAt=at) for word in "abcdefg"]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/v1/failures", query_string=query).get_json()
        assert len(page["items"]) <= limit
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == made[::-1]


def test_an_empty_list_has_no_next_page(client: FlaskClient) -> None:
    assert client.get("/api/v1/failures").get_json() == {"items": [], "next": None}


def test_an_other_error_says_how_much_waits_for_its_system_and_integration(
    client: FlaskClient, site: Installation
) -> None:
    mail, erp = rows.system(site), rows.integration(site)
    for state in ("pending", "leased", "stored", "delivered", "dead", "cancelled"):
        rows.delivery(site, mail, integration_id=erp, state=state)
    rows.delivery(site, mail, integration_id=rows.integration(site, "crm"))
    rows.delivery(site, rows.system(site, "Other"), integration_id=erp)
    failure = rows.other_error(site, mail, erp)
    document = client.get(f"/api/v1/failures/{failure}").get_json()
    assert (document["waiting"], document["system"]) == (3, "Mail")
    assert document["reason"] == "connection"
    assert (document["kind"], document["direction"]) == (None, None)
    assert _items(client, errorType="other")[0]["waiting"] == 3


def test_the_mail_that_told_a_failure_is_named_with_its_time(
    client: FlaskClient, site: Installation
) -> None:
    failure = reported(client)
    with site.store.writing() as connection:
        connection.execute(update(Failure).values(notified_at=rows.NOON, notified_delivery_id=9))
    document = client.get(f"/api/v1/failures/{failure}").get_json()
    assert document["notified"] == {"at": "2026-11-03T12:00:00Z", "delivery": "9"}


@pytest.mark.parametrize("path", ["failures/77", "failures/77/decisions"])
def test_a_failure_that_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    assert is_problem(client.get(f"/api/v1/{path}"), 404)


def test_times_are_answered_in_utc_and_reports_from_the_future_count_as_now(
    client: FlaskClient,
) -> None:
    ahead = utc_now() + timedelta(days=9)
    failure = reported(client, occurredAt=ahead.isoformat())
    document = client.get(f"/api/v1/failures/{failure}").get_json()
    assert document["lastLoggedAt"].endswith("Z")
    assert document["lastLoggedAt"] < ahead.isoformat()


def test_the_last_cycle_is_what_was_logged_since_the_last_run_began(client: FlaskClient) -> None:
    def entity(number: int, cycle: str, **more: Any) -> str:
        return reported(
            client, kind="processing", entityId=str(number), cycleId=cycle, **more
        )  # fmt: skip

    day = "2026-11-03T{}:00Z"
    old = entity(1, "a", occurredAt=day.format("10:00"))
    ran = {"direction": "forward", "cycleId": "a", "occurredAt": day.format("10:05")}
    assert client.post("/api/v1/integrations/erp/activity", json=ran).status_code == 202
    new = [
        entity(2, "b", occurredAt=day.format("11:00")),
        entity(3, "b", occurredAt=day.format("11:01")),
    ]
    again = reported(client, "crm", occurredAt=day.format("09:00"))

    assert _ids(client, lastCycle="true") == [new[1], new[0], again]
    assert _ids(client, lastCycle="true", integration="erp", entityId="3") == [new[1]]
    assert _ids(client, lastCycle="true", limit=1) == [new[1]]
    assert _ids(client, lastCycle="false") == [old]


def test_the_last_cycle_is_found_behind_many_newer_failures(
    client: FlaskClient, site: Installation
) -> None:
    quiet = reported(client, "quiet", occurredAt="2026-01-01T10:00:00Z")
    with site.store.writing() as connection:
        template = dict(connection.execute(select(Failure.__table__)).mappings().one())
    later = utc_now()
    copies = [
        template
        | {"id": None, "identity": number.to_bytes(32), "last_logged_at": later}
        | {"direction_id": 10**6, "integration_id": 10**6}
        for number in range(2_100)
    ]
    for copy in copies:
        del copy["id"]
    with site.store.writing() as connection:
        connection.execute(insert(Failure), copies)

    assert _ids(client, lastCycle="true") == [quiet]
