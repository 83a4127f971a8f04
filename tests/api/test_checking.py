"""Checking a system over HTTP: its steps, as it is saved and as a draft, and what is kept back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.channels import CHANNELS
from app.channels.fake import FakeChannel
from app.clock import monotonic, sleep
from app.services.checking import MOST_AT_ONCE
from app.services.installation import Installation
from tests.api.helpers import client_with, faults, is_problem
from tests.servers.relay import Relay
from tests.servers.sink import Script, Sink
from tests.services.makers import NO_LOGIN, audited

URL = "/api/v1/systems/Mail/check"
CANARY = "xyzzy-canary-4711"
NAMES = {"dns", "tcp", "tls", "ehlo", "auth", "size"}
CLEAR = {"authenticationRequired": True, "allowAuthWithoutTls": True, "username": "tocsin"}


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A mail server that wants a login."""
    with Relay(login=("tocsin", CANARY), in_clear=True) as server:
        yield server


def system(port: int, **changes: Any) -> dict[str, Any]:
    """Return the body of a mail system on a port of loopback."""
    options = {**NO_LOGIN, "server": "127.0.0.1", "port": port, "encryption": "none", "timeout": 5}
    secrets = changes.pop("secrets", {})
    return {"kind": "smtp", "options": options | changes, "secrets": secrets}


def save(client: FlaskClient, body: dict[str, Any]) -> None:
    assert client.put("/api/v1/systems/Mail", json=body).status_code == 201


def test_a_saved_system_is_checked_step_by_step(client: FlaskClient, relay: Relay) -> None:
    save(client, system(relay.port, **CLEAR, secrets={"password": CANARY}))
    answer = client.post(URL)
    assert answer.status_code == 200
    document = answer.get_json()
    assert document["ok"] is True
    assert {step["name"] for step in document["steps"]} == NAMES
    for step in document["steps"]:
        assert set(step) == {"name", "ok", "text", "fix", "durationMs"}
    assert len(relay.logins) == 1
    assert relay.mails == []


def test_the_first_failure_is_told_with_what_to_do_and_ends_it(client: FlaskClient) -> None:
    with Sink(Script(extensions=["AUTH PLAIN"], replies={"AUTH": "535 5.7.8 No"})) as sink:
        save(client, system(sink.port, **CLEAR, secrets={"password": CANARY}))
        document = client.post(URL).get_json()
    assert document["ok"] is False
    auth, size = document["steps"][-2:]
    assert (auth["name"], auth["ok"]) == ("auth", False)
    assert auth["fix"] == "Check user name and Password."
    assert (size["ok"], size["text"]) == (None, "Not reached.")


def test_a_draft_is_checked_and_not_saved(
    client: FlaskClient, site: Installation, relay: Relay
) -> None:
    draft = system(relay.port, **CLEAR, secrets={"password": CANARY})
    assert client.post(URL, json=draft).get_json()["ok"] is True
    assert is_problem(client.get("/api/v1/systems/Mail"), 404)
    assert audited(site) == []


def test_a_draft_without_a_password_uses_the_saved_one(client: FlaskClient, relay: Relay) -> None:
    save(client, system(1, **CLEAR, secrets={"password": CANARY}))
    assert client.post(URL).get_json()["ok"] is False
    assert client.post(URL, json=system(relay.port, **CLEAR)).get_json()["ok"] is True


def test_only_who_may_save_sends_a_saved_password_elsewhere(
    app: Flask, client: FlaskClient, relay: Relay
) -> None:
    save(client, system(1, **CLEAR, secrets={"password": CANARY}))
    operator = client_with(app, "operate")
    elsewhere = system(relay.port, **CLEAR)
    assert is_problem(operator.post(URL, json=elsewhere), 403)
    assert relay.logins == []
    assert operator.post(URL).status_code == 200
    assert operator.post(URL, json=system(1, **CLEAR)).status_code == 200
    given = elsewhere | {"secrets": {"password": CANARY}}
    assert operator.post(URL, json=given).get_json()["ok"] is True


def test_a_wrong_draft_is_refused_with_its_fields_and_nothing_is_dialled(
    client: FlaskClient,
) -> None:
    with Sink() as sink:
        answer = client.post(URL, json=system(sink.port, **CLEAR, timeout=0))
        assert set(faults(answer)) == {"/options/timeout"}
        assert set(faults(client.post(URL, json=system(sink.port, **CLEAR)))) == {
            "/secrets/password"
        }
        assert sink.connections == 0
    assert is_problem(client.post(URL), 404)


def test_the_servers_own_port_and_forbidden_addresses_are_not_dialled(client: FlaskClient) -> None:
    for server in ("169.254.169.254", "0.0.0.0"):  # noqa: S104 - the case
        document = client.post(URL, json=system(25, server=server)).get_json()
        assert document["steps"][0]["ok"] is False
        assert "TOCSIN_OUTBOUND_ALLOW" in document["steps"][0]["fix"]


def test_the_password_is_in_no_answer_and_no_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    script = Script(extensions=["AUTH PLAIN"], replies={"AUTH": f"535 5.7.8 {CANARY}"})
    with Sink(script) as sink:
        draft = system(sink.port, **CLEAR, secrets={"password": CANARY})
        said = [client.post(URL, json=draft), client.post(URL, json=draft | {"kind": CANARY})]
    assert [answer.status_code for answer in said] == [200, 422]
    assert not [answer for answer in said if CANARY in answer.text]
    assert CANARY not in caplog.text


@pytest.mark.usefixtures("alone")
def test_a_check_holds_no_transaction_while_it_waits(client: FlaskClient, app: Flask) -> None:
    with Sink(Script(black_hole=True)) as sink, ThreadPoolExecutor(1) as pool:
        save(client, system(sink.port, timeout=1.5))
        waiting = pool.submit(client_with(app, "operate").post, URL)
        began = monotonic()
        while not sink.connections:
            sleep(0.01)
        body = system(sink.port, timeout=2)
        assert client.put("/api/v1/systems/Mail", json=body).status_code == 200
        assert monotonic() - began < 1.4
        assert not waiting.done()
        assert waiting.result().get_json()["ok"] is False


def test_checks_leave_threads_for_others(client: FlaskClient, app: Flask) -> None:
    with Sink(Script(black_hole=True)) as sink, ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        save(client, system(sink.port, timeout=2))
        others = [app.test_client() for _ in range(MOST_AT_ONCE)]
        key = {"Authorization": client.environ_base["HTTP_AUTHORIZATION"]}
        waiting = [pool.submit(one.post, URL, headers=key) for one in others]
        while sink.connections < MOST_AT_ONCE:
            sleep(0.01)
        assert is_problem(client.post(URL), 409)
        assert [one.result().status_code for one in waiting] == [200] * MOST_AT_ONCE
        sink.script.black_hole = False
        assert client.post(URL).get_json()["ok"] is True


def test_every_kind_of_system_can_be_checked(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHANNELS, "fake", FakeChannel())
    document = client.post(URL, json={"kind": "fake", "options": {}}).get_json()
    assert document["ok"] is True
    assert [step["name"] for step in document["steps"]] == ["tcp"]


def test_an_empty_body_is_no_body_whatever_its_content_type(client: FlaskClient) -> None:
    answer = client.post("/api/v1/systems/None/check", content_type="application/json")
    assert answer.status_code == 404
