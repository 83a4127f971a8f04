"""Acting: what an operator may do, that it is audited, and what it leaves alone."""

from __future__ import annotations

from queue import Queue
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.models import Audit, Delivery, DeliveryItem, Failure
from app.services.installation import Installation
from tests.api import rows
from tests.api.helpers import is_problem, report, reported


def _audited(site: Installation) -> list[tuple[str, ...]]:
    columns = (Audit.action, Audit.subject_kind, Audit.subject_name, Audit.actor)
    with site.store.reading() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(Audit.id))]


def _one(client: FlaskClient, failure: str) -> dict[str, Any]:
    return dict(client.get(f"/api/v1/failures/{failure}").get_json())


def test_the_job_is_run_by_a_request(client: FlaskClient) -> None:
    answer = client.post("/api/v1/dispatch-runs")
    assert answer.status_code == 202
    run = answer.get_json()["id"]
    document = client.get(f"/api/v1/dispatch-runs/{run}").get_json()
    assert (document["cause"], document["state"], document["startedAt"]) == (
        "manual", "running", None
    )  # fmt: skip


def test_a_lane_is_tried_now(client: FlaskClient, site: Installation) -> None:
    mail = rows.system(site)
    lane = rows.lane(site, mail)
    delivery = rows.delivery(site, mail, lane_id=lane)
    answer = client.post(f"/api/v1/lanes/{lane}/try")
    assert (answer.status_code, answer.get_json()["id"]) == (202, str(lane))
    assert rows.column(site, Delivery.due_at, delivery) is not None


def test_a_waiting_delivery_is_cancelled_once(client: FlaskClient, site: Installation) -> None:
    delivery = rows.delivery(site, rows.system(site))
    answer = client.post(f"/api/v1/deliveries/{delivery}/cancel")
    assert answer.status_code == 200
    document = answer.get_json()
    assert (document["state"], document["reason"]) == ("cancelled", "operator")
    assert is_problem(client.post(f"/api/v1/deliveries/{delivery}/cancel"), 409)
    assert _audited(site) == [("cancel", "delivery", str(delivery), "API key TOCSIN_API_KEY")]


def test_a_deleted_failure_is_gone_and_a_repeat_is_a_new_one(
    client: FlaskClient, site: Installation
) -> None:
    failure = reported(client)
    answer = client.delete(f"/api/v1/failures/{failure}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert is_problem(client.get(f"/api/v1/failures/{failure}"), 404)
    assert reported(client) != failure
    assert _audited(site)[0][:3] == ("delete", "failure", failure)


def test_a_mail_that_waits_goes_without_the_deleted_failure(
    client: FlaskClient, site: Installation
) -> None:
    failure, mail = reported(client), rows.system(site)
    waiting = rows.delivery(site, mail, item_count=2)
    sent = rows.delivery(site, mail, item_count=2, state="delivered")
    for delivery in (waiting, sent):
        rows.item(site, delivery, int(failure))
        rows.item(site, delivery, 999)
    client.delete(f"/api/v1/failures/{failure}")
    assert rows.column(site, Delivery.item_count, waiting) == 1
    assert rows.column(site, Delivery.item_count, sent) == 2
    with site.store.reading() as connection:
        told = set(connection.scalars(select(DeliveryItem.failure_id)))
    assert told == {999}


def test_a_resolved_failure_is_open_again_when_it_is_reported_again(
    client: FlaskClient, site: Installation
) -> None:
    failure = reported(client)
    answer = client.post(f"/api/v1/failures/{failure}/resolve")
    assert (answer.status_code, answer.get_json()["state"]) == (200, "resolved")
    assert client.post(f"/api/v1/failures/{failure}/resolve").status_code == 200
    assert [entry[0] for entry in _audited(site)] == ["resolve"]
    assert reported(client) == failure
    assert _one(client, failure)["state"] == "open"


def test_reset_retries_lets_a_failure_be_told_once_more(
    client: FlaskClient, site: Installation
) -> None:
    failure = reported(client, kind="processing", entityId="7", retryCount=3)
    with site.store.writing() as connection:
        connection.execute(update(Failure).values(told_episode=0, told_delivery_id=4))
    answer = client.post(f"/api/v1/failures/{failure}/reset-retries")
    assert (answer.status_code, answer.get_json()["retryCount"]) == (200, 0)
    assert rows.column(site, Failure.told_episode, int(failure)) is None
    assert rows.column(site, Failure.told_delivery_id, int(failure)) is None
    assert [entry[0] for entry in _audited(site)] == ["reset retries"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "lanes/7/try"),
        ("POST", "deliveries/7/cancel"),
        ("DELETE", "failures/7"),
        ("POST", "failures/7/resolve"),
        ("POST", "failures/7/reset-retries"),
    ],
)
def test_what_is_not_there_is_404_and_not_audited(
    client: FlaskClient, site: Installation, method: str, path: str
) -> None:
    assert is_problem(client.open(f"/api/v1/{path}", method=method), 404)
    assert _audited(site) == []


def test_reports_and_hands_that_meet_on_one_failure_lose_nothing(
    app: Flask, client: FlaskClient
) -> None:
    failure, answers = reported(client), Queue[int]()

    def report_often() -> None:
        mine = app.test_client()
        mine.environ_base.update(client.environ_base)
        for _ in range(20):
            answers.put(report(mine).get_json()["failure"]["count"])

    threads = [Thread(target=report_often) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for path in ("resolve", "reset-retries"):
            assert client.post(f"/api/v1/failures/{failure}/{path}").status_code == 200
    for thread in threads:
        thread.join()
    counts = sorted(answers.get_nowait() for _ in range(60))
    assert counts[-1] == 61
    assert _one(client, failure)["count"] == 61
