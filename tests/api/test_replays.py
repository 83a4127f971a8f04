"""Sending deliveries again over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.channels import CHANNELS
from app.channels.fake import FakeChannel
from app.models import Delivery, Event
from app.services.installation import Installation
from tests.api import rows
from tests.api.helpers import client_with, faults, is_problem

BOUNDED = {"policy": "Bounded", "retry_number": 3, "retry_delay": 10}


@pytest.fixture(autouse=True)
def _kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANNELS, "fake", FakeChannel())


def event(site: Installation) -> int:
    """Add an event of the source metrics."""
    return rows.add(
        site, Event, received_at=rows.NOON, source="metrics", severity="error", status="firing",
        outcome="routed", document="{}", decisions="[]",
    )  # fmt: skip


def told(site: Installation, name: str = "Hook", **values: Any) -> int:
    """Add a delivery of an event to an HTTP system of its own, which has given it up."""
    system = rows.system(site, name, kind="fake")
    lane = rows.lane(site, system, row="metrics", **BOUNDED)
    fixed = {
        "kind": "event", "why": "own_cell", "why_text": "", "direction": None, "lane_id": lane,
        "state": "dead", "reason": "expired", "finished_at": rows.NOON, "event_id": event(site),
    }  # fmt: skip
    return rows.delivery(site, system, **{**fixed, **values})


def test_a_delivery_is_sent_again_as_a_new_one(client: FlaskClient, site: Installation) -> None:
    old = told(site)
    answer = client.post(f"/api/v1/deliveries/{old}/replay")
    assert answer.status_code == 202
    new = answer.get_json()["delivery"]
    document = client.get(f"/api/v1/deliveries/{new}").get_json()
    assert (document["parent"], document["state"]) == (str(old), "pending")
    assert document["decisions"][0]["text"] == "Sent again by API key TOCSIN_API_KEY."


@pytest.mark.parametrize("body", [{}, {"system": None}, {"system": "Other"}])
def test_the_body_may_name_another_system(
    client: FlaskClient, site: Installation, body: Any
) -> None:
    old = told(site)
    rows.system(site, "Other", kind="fake")
    answer = client.post(f"/api/v1/deliveries/{old}/replay", json=body)
    new = answer.get_json()["delivery"]
    document = client.get(f"/api/v1/deliveries/{new}").get_json()
    assert document["system"] == (body.get("system") or "Hook")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"system": "Nobody"}, "/system"),
        ({"system": ""}, "/system"),
        ({"system": 5}, "/system"),
        ({"system": "x" * 256}, "/system"),
        ({"system": "\x00"}, "/system"),
        ({"to": "Hook"}, "/to"),
    ],
)
def test_a_wrong_body_is_named(
    client: FlaskClient, site: Installation, body: Any, pointer: str
) -> None:
    old = told(site)
    assert list(faults(client.post(f"/api/v1/deliveries/{old}/replay", json=body))) == [pointer]
    assert rows.column(site, Delivery.id, old + 1) is None


def test_what_waits_still_is_a_conflict(client: FlaskClient, site: Installation) -> None:
    old = told(site, state="stored", finished_at=None, reason=None)
    answer = client.post(f"/api/v1/deliveries/{old}/replay")
    assert is_problem(answer, 409)
    assert "Try now" in answer.get_json()["detail"]


def test_what_is_not_there_is_404(client: FlaskClient) -> None:
    assert is_problem(client.post("/api/v1/deliveries/77/replay"), 404)


def test_a_test_is_not_sent_again(client: FlaskClient, site: Installation) -> None:
    old = told(site, kind="test", lane_id=None)
    assert list(faults(client.post(f"/api/v1/deliveries/{old}/replay"))) == [""]


def test_who_only_reads_sends_nothing_again(
    app: Flask, client: FlaskClient, site: Installation
) -> None:
    old = told(site)
    for scope in ("read", "report"):
        answer = client_with(app, scope).post(f"/api/v1/deliveries/{old}/replay")
        assert is_problem(answer, 403)
    assert client_with(app, "operate").post(f"/api/v1/deliveries/{old}/replay").status_code == 202
