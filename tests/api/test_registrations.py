"""Registrations over HTTP: the form of S1, field by field, and what they do to reports."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.services.installation import Installation
from tests.services.makers import put_integration, put_system

URL = "/api/v1/registrations/jira"
FORWARD = {"recipients": ["ops@corp.example"]}


@pytest.fixture(autouse=True)
def ready(site: Installation) -> None:
    """There is a mail system and an integration."""
    put_system(site)
    put_integration(site)


def put(client: FlaskClient, **fields: Any) -> Any:
    return client.put(URL, json={"system": "Mail", "forward": FORWARD, **fields})


def faults(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422
    return {error["pointer"]: error["message"] for error in answer.get_json()["errors"]}


@pytest.mark.parametrize("number", ["0", "21", "1.5", '"x"', "1e400", "null"])
def test_a_wrong_failure_count_is_refused_with_the_range(client: FlaskClient, number: str) -> None:
    forward = f'{{"recipients": "a@b.example", "global": {{"failureCount": {number}}}}}'
    body = f'{{"system": "Mail", "forward": {forward}}}'
    answer = client.put(URL, data=body, content_type="application/json")
    message = "must be a whole number from 1 to 20"
    assert faults(answer) == {"/forward/global/failureCount": message}


def test_a_wrong_address_is_named_among_the_right_ones(client: FlaskClient) -> None:
    said = faults(put(client, forward={"recipients": "a@b.example, nobody", "cc": ["x@"]}))
    assert set(said) == {"/forward/recipients", "/forward/cc"}
    assert "'nobody'" in said["/forward/recipients"]
    assert "'x@'" in said["/forward/cc"]


def test_one_text_with_addresses_is_answered_as_a_list(client: FlaskClient) -> None:
    typed = "Ops <ops@corp.example>; b@corp.example\nb@corp.example"
    answer = put(client, forward={"recipients": typed, "cc": ""})
    assert answer.get_json()["forward"]["recipients"] == ["ops@corp.example", "b@corp.example"]
    assert answer.get_json()["forward"]["cc"] == []


def test_asking_for_nothing_says_what_to_do_instead(client: FlaskClient) -> None:
    blocks = {"global": {"enabled": False}, "processing": {"enabled": False}}
    said = faults(put(client, forward={**FORWARD, **blocks}))
    assert "unregister instead" in said["/forward"]


def test_an_unknown_system_and_a_missing_backward_are_named_together(client: FlaskClient) -> None:
    said = faults(put(client, system="Nobody", sameForBackward=False))
    assert set(said) == {"/system", "/backward"}
    assert "'Nobody'" in said["/system"]


def test_an_unknown_integration_is_404_by_its_path_and_422_in_a_body(client: FlaskClient) -> None:
    body = {"system": "Mail", "forward": FORWARD}
    assert client.put("/api/v1/registrations/nobody", json=body).status_code == 404
    answer = client.post("/api/v1/registrations", json={**body, "integration": "nobody"})
    assert "'nobody'" in faults(answer)["/integration"]


def test_unregistering_stops_mail_and_registering_again_starts_it(client: FlaskClient) -> None:
    report = {"kind": "processing", "message": "no", "entityId": "1", "maxRetryCount": 0}

    def decided() -> str:
        failures = "/api/v1/integrations/jira/failures"
        failure = client.post(failures, json=report).get_json()["failure"]["id"]
        answer = client.get(f"/api/v1/failures/{failure}/decisions")
        return str(answer.get_json()["items"][0]["reason"])

    put(client)
    assert decided() == "retries_exhausted"
    assert client.delete(URL).status_code == 204
    assert decided() == "not_registered"
    assert put(client).status_code == 201
    assert decided() == "retries_exhausted"
