"""Asking for a Test over HTTP: who may, by which values, and what is refused; nothing is saved."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.models import Delivery
from app.services.installation import Installation
from tests.api.helpers import client_with, faults, is_problem
from tests.services.makers import NO_LOGIN, audited, put_integration, put_system, register
from tests.services.spine import deliveries, rows

SYSTEM = "/api/v1/systems/Mail/test"
REGISTRATION = "/api/v1/registrations/jira/test"
CANARY = "xyzzy-canary-4711"
LOGIN = {
    "server": "mail.example",
    "senderEmail": "tocsin@corp.example",
    "toEmail": "admin@corp.example",
    "username": "tocsin",
}


def draft(**options: Any) -> dict[str, Any]:
    """Return a draft of the system Mail, without login unless `options` say otherwise."""
    return {"kind": "smtp", "options": NO_LOGIN | {"toEmail": "admin@corp.example"} | options}


def form(system: str = "Mail", **forward: Any) -> dict[str, Any]:
    """Return a draft of a registration."""
    return {"system": system, "forward": {"recipients": ["draft@corp.example"], **forward}}


def registered(site: Installation) -> None:
    """Make the system Mail, with a password and a To Email-Id, and the registration of jira."""
    put_system(site, options=LOGIN, secrets={"password": CANARY})
    put_integration(site)
    register(site)


def queued(client: FlaskClient, answer: TestResponse) -> dict[str, Any]:
    """Return the delivery that an answer names, which waits for a worker."""
    assert answer.status_code == 202, answer.text
    document = answer.get_json()
    assert set(document) == {"delivery"}
    found = dict(client.get(f"/api/v1/deliveries/{document['delivery']}").get_json())
    assert (found["kind"], found["state"], found["lane"]) == ("test", "pending", None)
    assert (found["attempts"], found["attemptCount"]) == ([], 0)
    return found


@pytest.mark.parametrize("body", [None, form(cc=["cc@corp.example"])], ids=["saved", "draft"])
def test_a_registration_is_tested_without_cc_and_stays_as_it_is(
    client: FlaskClient, site: Installation, body: dict[str, Any] | None
) -> None:
    registered(site)
    before, changes = client.get("/api/v1/registrations/jira").get_json(), len(audited(site))

    found = queued(
        client, client.post(REGISTRATION, json=body) if body else client.post(REGISTRATION)
    )

    wanted = "draft@corp.example" if body else "ops@corp.example"
    assert [(one["address"], one["role"], one["state"]) for one in found["recipients"]] == [
        (wanted, "to", "pending")
    ]
    assert found["system"] == "Mail"
    (decision,) = found["decisions"]
    assert (decision["outcome"], decision["reason"]) == ("send", "test")
    assert decision["rule"]["integration"] == "jira"
    assert client.get("/api/v1/registrations/jira").get_json() == before
    assert len(audited(site)) == changes
    listed = client.get("/api/v1/deliveries?kind=test&integration=jira").get_json()["items"]
    assert [one["id"] for one in listed] == [found["id"]]


@pytest.mark.parametrize("saved", [True, False])
def test_a_draft_of_a_system_is_tested_and_not_saved(
    client: FlaskClient, site: Installation, saved: bool
) -> None:
    if saved:
        registered(site)
    before, changes = client.get("/api/v1/systems/Mail").get_json(), len(audited(site))

    body = draft(server="other.example", toEmail="a@corp.example, b@corp.example")
    found = queued(client, client.post(SYSTEM, json=body))

    assert [one["address"] for one in found["recipients"]] == ["a@corp.example", "b@corp.example"]
    assert found["system"] == ("Mail" if saved else None)
    assert client.get("/api/v1/systems/Mail").get_json() == before
    assert len(audited(site)) == changes


def test_a_backward_block_counts_only_where_there_is_a_backward_direction(
    client: FlaskClient, site: Installation
) -> None:
    registered(site)
    backward = {"recipients": ["back@corp.example", "Draft@corp.example"]}
    body = form() | {"sameForBackward": False, "backward": backward}

    both = queued(client, client.post(REGISTRATION, json=body))
    same = queued(client, client.post(REGISTRATION, json=body | {"sameForBackward": True}))
    put_integration(site, bidirectional=False)
    one_way = queued(client, client.post(REGISTRATION, json=body))

    told = [[one["address"] for one in found["recipients"]] for found in (both, same, one_way)]
    assert told == [["back@corp.example", "draft@corp.example"], *[["draft@corp.example"]] * 2]


def test_who_may_not_operate_tests_nothing(
    app: Flask, client: FlaskClient, site: Installation
) -> None:
    registered(site)
    nobody, wrong = app.test_client(), client_with(app, "report", "read")

    for path, body in ((SYSTEM, draft()), (REGISTRATION, form())):
        assert is_problem(nobody.post(path, json=body), 401)
        assert is_problem(wrong.post(path, json=body), 403)
        assert is_problem(wrong.post(path), 403)
    assert deliveries(site) == []
    operator = client_with(app, "operate")
    for path in (SYSTEM, REGISTRATION):
        assert operator.post(path).status_code == 202


def test_only_who_may_save_sends_a_saved_password_elsewhere(
    app: Flask, client: FlaskClient, site: Installation
) -> None:
    registered(site)
    operator = client_with(app, "operate")
    same = {"kind": "smtp", "options": client.get("/api/v1/systems/Mail").get_json()["options"]}
    elsewhere = {"kind": "smtp", "options": LOGIN | {"server": "evil.example"}}

    refused = operator.post(SYSTEM, json=elsewhere)

    assert is_problem(refused, 403)
    assert "scope admin" in refused.get_json()["detail"]
    assert deliveries(site) == []
    given = elsewhere | {"secrets": {"password": "another one"}}
    for body in (same, given):
        assert operator.post(SYSTEM, json=body).status_code == 202
    assert client.post(SYSTEM, json=elsewhere).status_code == 202


def test_what_is_not_there_is_404(client: FlaskClient, site: Installation) -> None:
    put_integration(site)

    assert is_problem(client.post(SYSTEM), 404)
    assert is_problem(client.post(REGISTRATION), 404)  # it is not registered
    assert is_problem(client.post("/api/v1/registrations/nobody/test", json=form()), 404)
    assert deliveries(site) == []


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (SYSTEM, draft(timeout=0), "/options/timeout"),
        (SYSTEM, draft(toEmail=""), "/options/toEmail"),
        (SYSTEM, draft(toEmail="no address"), "/options/toEmail"),
        (SYSTEM, draft() | {"port": 25}, "/port"),
        (SYSTEM, draft(authenticationRequired=True), "/secrets/password"),
        (REGISTRATION, form(recipients=[]), "/forward/recipients"),
        (REGISTRATION, form(recipients=["no address"]), "/forward/recipients"),
        (REGISTRATION, form(subject="x"), "/forward/subject"),
        (REGISTRATION, form(system="Other"), "/system"),
        (REGISTRATION, {}, "/forward"),
    ],
)
def test_a_draft_that_could_not_be_saved_is_refused_with_its_fields(
    client: FlaskClient, site: Installation, path: str, body: dict[str, Any], pointer: str
) -> None:
    put_system(site)
    put_integration(site)

    assert pointer in {place[: len(pointer)] for place in faults(client.post(path, json=body))}
    assert deliveries(site) == []


def test_a_system_without_a_to_email_id_names_the_field(
    client: FlaskClient, site: Installation
) -> None:
    put_system(site)

    assert set(faults(client.post(SYSTEM))) == {"/options/toEmail"}


def test_the_password_is_in_no_answer_no_log_and_no_column(
    client: FlaskClient, site: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = draft(authenticationRequired=True, username="tocsin")
    said = [
        client.post(SYSTEM, json=body | {"secrets": {"password": CANARY}}),
        client.post(SYSTEM, json=body | {"secrets": {"password": [CANARY]}}),
        client.post(SYSTEM, json=draft(timeout=CANARY) | {"secrets": {"password": CANARY}}),
    ]
    said.append(client.get(f"/api/v1/deliveries/{said[0].get_json()['delivery']}"))

    assert [answer.status_code for answer in said] == [202, 422, 422, 200]
    assert not [answer for answer in said if CANARY in answer.text]
    assert CANARY not in caplog.text
    assert CANARY not in str(rows(site, Delivery))


def test_a_test_that_waits_can_be_cancelled_and_its_draft_goes_with_it(
    client: FlaskClient, site: Installation
) -> None:
    body = draft(authenticationRequired=True) | {"secrets": {"password": CANARY}}
    found = queued(client, client.post(SYSTEM, json=body))
    assert rows(site, Delivery)[0].draft

    answer = client.post(f"/api/v1/deliveries/{found['id']}/cancel")

    document = answer.get_json()
    assert (answer.status_code, document["state"]) == (200, "cancelled")
    assert rows(site, Delivery)[0].draft is None


def test_a_pause_refuses_no_test(client: FlaskClient, site: Installation) -> None:
    registered(site)
    client.patch("/api/v1/settings", json={"paused": True})

    for path in (SYSTEM, REGISTRATION):
        queued(client, client.post(path))
