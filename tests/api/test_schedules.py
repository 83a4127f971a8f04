"""Schedules over HTTP: the built-in ones can be read, and that is all."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

URL = "/api/v1/schedules"


def test_the_built_in_schedules_are_listed(client: FlaskClient) -> None:
    items = client.get(URL).get_json()["items"]
    assert {item["name"] for item in items} == {
        "30 Second Schedule", "1 Minute Schedule", "5 Minute Schedule", "10 Minute Schedule",
        "30 Minute Schedule", "24 Hour Schedule", "On Demand",
    }  # fmt: skip
    document = client.get(f"{URL}/30%20Minute%20Schedule").get_json()
    assert document["builtIn"] is True
    assert document["every"] == {"n": 30, "unit": "minutes"}
    assert (document["cron"], document["zone"]) == (None, None)


@pytest.mark.parametrize(
    ("method", "body"), [("PUT", {"every": None}), ("PATCH", {"zone": "UTC"}), ("DELETE", None)]
)
def test_a_built_in_schedule_stays_as_it_is(client: FlaskClient, method: str, body: Any) -> None:
    before = client.get(f"{URL}/On%20Demand").get_json()
    answer = client.open(f"{URL}/On%20Demand", method=method, json=body)
    assert answer.status_code == 409
    assert "built in" in answer.get_json()["detail"]
    assert client.get(f"{URL}/On%20Demand").get_json() == before
