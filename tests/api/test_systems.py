"""Systems over HTTP: names in paths, options of the channel, and a password that nobody sees."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from app.services.installation import Installation
from tests.services.makers import NO_LOGIN, OPTIONS, audited, put_integration, register

URL = "/api/v1/systems"
CANARY = "xyzzy-canary-4711"


@pytest.mark.parametrize("name", ["SMTP Mail client", "50 % off", "Ärger & Söhne?", "#1"])
def test_any_name_of_one_line_has_its_path(client: FlaskClient, name: str) -> None:
    url = f"{URL}/{quote(name, safe='')}"
    answer = client.put(url, json={"kind": "smtp", "options": NO_LOGIN})
    assert answer.status_code == 201
    assert answer.get_json()["name"] == name
    assert answer.headers["Location"] == url
    assert client.get(url).get_json() == answer.get_json()


@pytest.mark.parametrize("name", ["x" * 101, "two%0Alines", "nul%00", "%20", "%ff", "%ED%A0%80"])
def test_a_name_that_cannot_be_stored_is_refused_in_the_path_too(
    client: FlaskClient, name: str
) -> None:
    answer = client.put(f"{URL}/{name}", json={"kind": "smtp", "options": NO_LOGIN})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == ["/name"]


def test_the_password_is_in_no_answer_no_log_and_no_audit_row(
    client: FlaskClient, site: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {"kind": "smtp", "options": OPTIONS, "secrets": {"password": CANARY}}
    wrong = {**body, "secrets": {"password": CANARY, CANARY: [CANARY], "pin": CANARY}}
    said = [
        client.put(f"{URL}/Mail", json=body),
        client.put(f"{URL}/Mail", json={**body, "options": {**OPTIONS, "encryption": "none"}}),
        client.put(f"{URL}/Mail", json={**wrong, "secrets": {"password": [CANARY]}}),
        client.patch(f"{URL}/Mail", json={"secrets": {"password": CANARY + "2"}}),
        client.get(f"{URL}/Mail"),
        client.get(URL),
        client.get("/api/v1/openapi.json"),
        client.get("/api/docs"),
        client.delete(f"{URL}/Mail"),
    ]
    assert [answer.status_code for answer in said] == [201, 422, 422, 200, 200, 200, 200, 200, 204]
    assert not [answer for answer in said if CANARY in answer.get_data(as_text=True)]
    assert CANARY not in caplog.text
    assert CANARY not in json.dumps([[row.before, row.after] for row in audited(site)])


def test_an_answer_tells_only_that_a_secret_is_set_and_since_when(client: FlaskClient) -> None:
    body = {"kind": "smtp", "options": OPTIONS, "secrets": {"password": CANARY}}
    secrets = client.put(f"{URL}/Mail", json=body).get_json()["secrets"]
    assert list(secrets) == ["password"]
    assert set(secrets["password"]) == {"set", "setAt"}
    assert secrets["password"]["set"] is True


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"kind": "pigeon"}, "/kind"),
        ({"kind": None}, "/kind"),
        ({"options": None}, "/options"),
        ({"options": {**NO_LOGIN, "port": 0}}, "/options/port"),
        ({"options": {**NO_LOGIN, "port": "25"}}, "/options/port"),
        ({"options": {**NO_LOGIN, "timeout": 301}}, "/options/timeout"),
        ({"options": {**NO_LOGIN, "senderEmail": "nobody"}}, "/options/senderEmail"),
        ({"options": {**NO_LOGIN, "server": "http://mail"}}, "/options/server"),
        ({"options": {**NO_LOGIN, "colour": "red"}}, "/options/colour"),
        ({"options": {"server": "mail.example"}}, "/options/senderEmail"),
        ({"options": OPTIONS}, "/secrets/password"),
        ({"secrets": []}, "/secrets"),
        ({"secrets": {"password": 7}}, "/secrets/password"),
        ({"secrets": {"token": "x"}}, "/secrets/token"),
        ({"status": "resting"}, "/status"),
        ({"retryPolicy": {"policy": "Always", "retryDelay": 5}}, "/retryPolicy"),
        ({"fallback": "Nobody"}, "/fallback"),
        ({"name": "Other"}, "/name"),
    ],
)
def test_each_wrong_field_is_named(
    client: FlaskClient, fields: dict[str, Any], pointer: str
) -> None:
    body = {"kind": "smtp", "options": NO_LOGIN, **fields}
    answer = client.put(f"{URL}/Mail", json=body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.get_json()["errors"]]
    assert client.get(f"{URL}/Mail").status_code == 404


def test_deleting_one_in_use_names_each_use(client: FlaskClient, site: Installation) -> None:
    client.put(f"{URL}/Mail", json={"kind": "smtp", "options": NO_LOGIN})
    put_integration(site, "a b")
    register(site, "a b")
    answer = client.delete(f"{URL}/Mail")
    assert answer.status_code == 409
    use = {"kind": "registration", "name": "a b", "url": "/api/v1/registrations/a%20b"}
    assert answer.get_json()["usedBy"] == [use]
    assert client.get(f"{URL}/Mail").get_json()["usedBy"] == [use]
    assert client.get(use["url"]).status_code == 200


def test_the_openapi_document_describes_the_fields_of_each_kind(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_data(as_text=True)
    for word in ("senderEmail", "allowAuthWithoutTls", "STARTTLS"):
        assert word in document
