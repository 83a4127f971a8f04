"""Sending deliveries again over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.channels import CHANNELS
from app.channels.fake import FakeChannel
from app.models import Delivery, Event
from app.services import job_work, processes
from app.services.installation import Installation
from tests.api import rows
from tests.api.helpers import client_with, faults, is_problem
from tests.services.makers import audited

MANY = "/api/v1/deliveries/replay"
BOUNDED = {"policy": "Bounded", "retry_number": 3, "retry_delay": 10}


@pytest.fixture(autouse=True)
def _kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANNELS, "fake", FakeChannel())


def event(site: Installation) -> int:
    """Add an event of the source metrics."""
    return rows.add(
        site, Event, received_at=rows.NOON, source="metrics", severity="error", status="firing",
        outcome="routed", document='{"title": "Disk full"}', decisions="[]",
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


def followed(site: Installation) -> list[tuple[int | None, str]]:
    """Return the parent and the state of each delivery that follows another, in order."""
    query = select(Delivery.parent_id, Delivery.state).where(Delivery.parent_id.is_not(None))
    with site.store.reading() as connection:
        return [(row[0], str(row[1])) for row in connection.execute(query.order_by(Delivery.id))]


def work(site: Installation) -> None:
    """Let a worker do what is queued."""
    job_work.run_queued(site, processes.register(site, "worker"), lambda: True)


def again(site: Installation, first: int, number: int) -> list[int]:
    """Add more deliveries like the first; returns all of them, oldest first."""
    with site.store.writing() as connection:
        table = Delivery.__table__
        names = [column.name for column in table.columns if column.name != "id"]
        like = select(*(table.c[name] for name in names)).where(table.c.id == first)
        for _ in range(number - 1):
            connection.execute(table.insert().from_select(names, like))
        return list(connection.scalars(select(table.c.id).order_by(table.c.id)))


def test_named_deliveries_are_sent_again_oldest_first(
    client: FlaskClient, site: Installation
) -> None:
    ids = again(site, told(site), 3)
    named = [str(one) for one in (ids[2], ids[0], ids[2])]
    answer = client.post(MANY, json={"deliveries": named})
    assert answer.status_code == 202
    job = answer.get_json()["jobId"]
    assert answer.headers["Location"] == f"/api/v1/jobs/{job}"
    work(site)
    assert followed(site) == [(ids[0], "pending"), (ids[2], "pending")]
    document = client.get(f"/api/v1/jobs/{job}").get_json()
    assert (document["kind"], document["state"], document["counts"]) == (
        "send again", "done", {"changed": 2, "skipped": 0},
    )  # fmt: skip


def test_those_of_a_filter_are_sent_again_and_no_others(
    client: FlaskClient, site: Installation
) -> None:
    dead = again(site, told(site), 2)
    told(site, "Other", state="delivered", reason=None)
    told(site, "Third", kind="test", lane_id=None)
    answer = client.post(MANY, json={"filter": {"state": "dead", "reason": "expired"}})
    assert answer.status_code == 202
    work(site)
    assert [parent for parent, _ in followed(site)] == dead


def test_a_filter_that_finds_nothing_makes_no_job(client: FlaskClient, site: Installation) -> None:
    answer = client.post(MANY, json={"filter": {"state": "dead"}})
    assert (answer.status_code, answer.get_json()) == (202, {"jobId": None})
    assert "Location" not in answer.headers
    assert client.get("/api/v1/jobs").get_json()["items"] == []


def test_what_cannot_be_sent_again_is_skipped_with_its_reason(
    client: FlaskClient, site: Installation
) -> None:
    good = told(site)
    waits = told(site, "Other", state="pending", reason=None, finished_at=None)
    gone = told(site, "Third", event_id=999)
    trial = told(site, "Fourth", kind="test")
    named = [str(one) for one in (good, waits, gone, trial, 777)]
    job = client.post(MANY, json={"deliveries": named}).get_json()["jobId"]
    work(site)
    items = client.get(f"/api/v1/jobs/{job}/rows").get_json()["items"]
    reasons = {int(item["key"]): item["reason"] for item in items}
    assert reasons[good] is None
    assert "Try now" in reasons[waits]
    assert "not there any more" in reasons[gone]
    assert "test it again" in reasons[trial]
    assert reasons[777] == "There is no delivery 777."
    assert [parent for parent, _ in followed(site)] == [good]


def test_many_are_the_work_of_a_worker_and_one_entry_of_the_audit_log(
    client: FlaskClient, site: Installation
) -> None:
    ids = again(site, told(site), 120)
    job = client.post(MANY, json={"filter": {"state": "dead"}}).get_json()["jobId"]
    assert followed(site) == []
    work(site)
    assert [parent for parent, _ in followed(site)] == ids
    (entry,) = [one for one in audited(site) if one.action == "replay"]
    assert (entry.actor, entry.subject_kind, entry.subject_name) == (
        "API key TOCSIN_API_KEY", "delivery", "120 deliveries",
    )  # fmt: skip
    assert entry.after["job"] == job
    assert entry.after["filter"] == {"state": "dead"}
    assert entry.after["deliveries"] == [str(one) for one in ids[:100]]


def test_a_job_that_is_done_twice_sends_nothing_twice(
    client: FlaskClient, site: Installation
) -> None:
    again(site, told(site), 60)
    client.post(MANY, json={"filter": {"state": "dead"}})
    steps = iter([True])
    job_work.run_queued(site, processes.register(site, "worker"), lambda: next(steps, False))
    work(site)
    work(site)
    assert len(followed(site)) == 60


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"deliveries": ["1"], "filter": {"state": "dead"}}, ""),
        ({"deliveries": []}, "/deliveries"),
        ({"deliveries": [1]}, "/deliveries/0"),
        ({"deliveries": ["-1"]}, "/deliveries/0"),
        ({"deliveries": ["9" * 19]}, "/deliveries/0"),
        ({"deliveries": ["²"]}, "/deliveries/0"),
        ({"filter": {}}, "/filter"),
        ({"filter": {"state": "pending"}}, "/filter"),
        ({"filter": {"state": "dead", "limit": "5"}}, "/filter"),
        ({"filter": {"state": "dead", "cursor": "x"}}, "/filter"),
        ({"filter": {"state": "open"}}, "/filter/state"),
        ({"filter": {"state": "dead", "lane": 5}}, "/filter/lane"),
        ({"filter": {"state": "dead", "lane": ["5"]}}, "/filter/lane"),
        ({"filter": {"state": "dead", "colour": "red"}}, "/filter/colour"),
        ({"deliveries": ["1"], "system": "Hook"}, "/system"),
    ],
)
def test_a_wrong_body_of_many_is_named(client: FlaskClient, body: Any, pointer: str) -> None:
    assert list(faults(client.post(MANY, json=body))) == [pointer]


def test_who_only_reads_sends_none_of_many_again(app: Flask, site: Installation) -> None:
    body = {"deliveries": [str(told(site))]}
    assert is_problem(client_with(app, "read").post(MANY, json=body), 403)
    assert client_with(app, "operate").post(MANY, json=body).status_code == 202
