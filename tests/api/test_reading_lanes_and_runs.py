"""Reading lanes and dispatch passes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.services.installation import Installation
from tests.api import rows
from tests.api.helpers import faults, is_problem

LANES, RUNS = "/api/v1/lanes", "/api/v1/dispatch-runs"


def _ids(client: FlaskClient, path: str, **filters: Any) -> list[int]:
    answer = client.get(path, query_string=filters)
    assert answer.status_code == 200, answer.text
    return [int(item["id"]) for item in answer.get_json()["items"]]


def test_a_lane_is_read_in_the_documented_shape(client: FlaskClient, site: Installation) -> None:
    lane = rows.lane(site, rows.system(site))
    expected = {
        "id": str(lane),
        "system": "Mail",
        "row": None,
        "state": "normal",
        "since": "2026-11-03T12:00:00Z",
        "round": 0,
        "nextTryAt": None,
        "pending": 0,
        "stored": 0,
        "oldestAt": None,
        "lastError": None,
        "retryPolicy": None,
    }
    assert client.get(f"{LANES}/{lane}").get_json() == expected
    assert client.get(LANES).get_json() == {"items": [expected], "next": None}


def test_a_lane_says_what_waits_in_it_and_since_when(
    client: FlaskClient, site: Installation
) -> None:
    mail = rows.system(site)
    lane = rows.lane(site, mail)
    for days, state in enumerate(("delivered", "stored", "pending", "leased", "dead")):
        at = rows.NOON + timedelta(days=days)
        rows.delivery(site, mail, lane_id=lane, state=state, reported_at=at)
    document = client.get(f"{LANES}/{lane}").get_json()
    assert (document["pending"], document["stored"]) == (2, 1)
    assert document["oldestAt"] == "2026-11-04T12:00:00Z"


def test_a_failing_lane_says_why_and_when_it_tries_again(
    client: FlaskClient, site: Installation
) -> None:
    lane = rows.lane(
        site,
        rows.system(site),
        state="retrying",
        error_reason="connection",
        error_text="Could not connect",
        error_at=rows.NOON,
        next_try_at=rows.NOON,
    )
    document = client.get(f"{LANES}/{lane}").get_json()
    assert document["lastError"] == {
        "reason": "connection", "text": "Could not connect", "at": "2026-11-03T12:00:00Z"
    }  # fmt: skip
    assert document["nextTryAt"] == "2026-11-03T12:00:00Z"


def test_the_lanes_of_a_paused_system_are_paused(client: FlaskClient, site: Installation) -> None:
    running = rows.lane(site, rows.system(site), state="retrying")
    paused = rows.lane(site, rows.system(site, "Paused", status="paused"), state="retrying")
    assert client.get(f"{LANES}/{paused}").get_json()["state"] == "paused"
    assert _ids(client, LANES, state="paused") == [paused]
    assert _ids(client, LANES, state="retrying") == [running]
    assert _ids(client, LANES, state="normal") == []
    assert _ids(client, LANES, system="Paused") == [paused]
    assert _ids(client, LANES) == [paused, running]


@pytest.mark.parametrize(
    ("name", "value"), [("state", "asleep"), ("row", "metrics"), ("system", "x" * 256)]
)
def test_a_wrong_filter_of_lanes_is_named(client: FlaskClient, name: str, value: str) -> None:
    assert list(faults(client.get(LANES, query_string={name: value}))) == [f"/{name}"]


def test_a_pass_is_read_in_the_documented_shape(client: FlaskClient, site: Installation) -> None:
    run = rows.run(
        site, considered=5, notified=2, held=1, skipped=1, failed=1,
        started_at=rows.NOON, finished_at=rows.NOON,
    )  # fmt: skip
    expected = {
        "id": str(run),
        "cause": "manual",
        "state": "done",
        "startedAt": "2026-11-03T12:00:00Z",
        "finishedAt": "2026-11-03T12:00:00Z",
        "considered": 5,
        "notified": 2,
        "held": 1,
        "skipped": 1,
        "failed": 1,
    }
    assert client.get(f"{RUNS}/{run}").get_json() == expected
    assert client.get(RUNS).get_json() == {"items": [expected], "next": None}


def test_a_queued_pass_is_shown_as_running_that_has_not_started(
    client: FlaskClient, site: Installation
) -> None:
    run = rows.run(site, "queued", started_at=rows.NOON)
    document = client.get(f"{RUNS}/{run}").get_json()
    assert (document["state"], document["startedAt"]) == ("running", None)


def test_passes_are_listed_newest_first_page_by_page(
    client: FlaskClient, site: Installation
) -> None:
    made = [rows.run(site) for _ in range(3)]
    page = client.get(f"{RUNS}?limit=2").get_json()
    assert [int(item["id"]) for item in page["items"]] == made[:0:-1]
    assert _ids(client, RUNS, cursor=page["next"]) == made[:1]


@pytest.mark.parametrize("path", [f"{LANES}/7", f"{RUNS}/7"])
def test_what_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    assert is_problem(client.get(path), 404)
