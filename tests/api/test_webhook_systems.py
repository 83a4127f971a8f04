"""Webhook systems over the API: made, signed, rotated; their secret is shown once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

HOOK: dict[str, Any] = {
    "name": "Hook",
    "kind": "webhook",
    "options": {"url": "https://hooks.example/in?token=t"},
}


def made(client: FlaskClient, **fields: Any) -> Any:
    """Make the system, and return its answer."""
    return client.post("/api/v1/systems", json={**HOOK, **fields})


def told(answer: Any) -> Any:
    """Return the document of an answer."""
    return answer.json


def test_a_secret_that_was_made_is_shown_once(client: FlaskClient) -> None:
    answer = made(client)
    secret = told(answer)["secrets"]["signingSecret"]["value"]

    assert answer.status_code == 201
    assert secret.startswith("whsec_")
    for path in ("/api/v1/systems/Hook", "/api/v1/systems", "/api/v1/routes"):
        assert secret not in client.get(path).text
    read = told(client.get("/api/v1/systems/Hook"))
    assert read["secrets"]["signingSecret"]["set"] is True
    assert read["options"]["batchNotify"] is None


def test_a_secret_that_is_given_is_never_shown(client: FlaskClient) -> None:
    given = "whsec_" + "A" * 40
    answer = made(client, secrets={"signingSecret": given})

    assert answer.status_code == 201
    assert given not in answer.text


def test_a_system_may_be_made_without_a_signature(client: FlaskClient) -> None:
    assert made(client, secrets={"signingSecret": None}).json["secrets"] == {}


def test_a_system_that_is_replaced_keeps_its_secret(client: FlaskClient) -> None:
    made(client)
    answer = client.put("/api/v1/systems/Hook", json={**HOOK, "version": "2"})

    assert answer.status_code == 200
    assert "value" not in told(answer)["secrets"]["signingSecret"]


def test_a_rotation_keeps_the_secret_before_until_it_is_ended(client: FlaskClient) -> None:
    first = made(client).json["secrets"]["signingSecret"]["value"]
    second = told(client.post("/api/v1/systems/Hook/rotate-secret"))["signingSecret"]
    again = client.post("/api/v1/systems/Hook/rotate-secret")
    changes = {"secrets": {"previousSigningSecret": None}}
    ended = client.patch("/api/v1/systems/Hook", json=changes)
    third = client.post("/api/v1/systems/Hook/rotate-secret")

    assert len({first, second, told(third)["signingSecret"]}) == 3
    assert (again.status_code, ended.status_code) == (409, 200)
    assert set(told(ended)["secrets"]) == {"signingSecret"}


def test_mail_has_nothing_to_rotate(client: FlaskClient) -> None:
    options = {"server": "mail.example", "senderEmail": "a@b.example"}
    login = {"authenticationRequired": False}
    client.post(
        "/api/v1/systems", json={"name": "Mail", "kind": "smtp", "options": options | login}
    )

    assert client.post("/api/v1/systems/Mail/rotate-secret").status_code == 409


def _header(name: str, value: str = "x") -> dict[str, Any]:
    return {"attributes": [{"type": "Header", "key": name, "value": value}]}


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"url": ""}, "/options/url"),
        ({"url": "ftp://x.example/"}, "/options/url"),
        ({"url": "https://"}, "/options/url"),
        ({"url": "https://user:pw@x.example/"}, "/options/url"),
        ({"url": "https://x.example/#part"}, "/options/url"),
        ({"url": "https://x.example/" + "a" * 2_000}, "/options/url"),
        ({"url": "https://x.example:99999/"}, "/options/url"),
        ({"url": "https://x example/"}, "/options/url"),
        (_header("Host"), "/options/attributes/0/value"),
        (_header("webhook-signature"), "/options/attributes/0/value"),
        (_header("X Y"), "/options/attributes/0/value"),
        (_header("X-Y", "a\r\nb"), "/options/attributes/0/value"),
        (_header("X-Y", "ü"), "/options/attributes/0/value"),
        ({"attributes": _header("X")["attributes"] * 2}, "/options/attributes"),
        (
            {"attributes": [{"type": "Cookie", "key": "a", "value": "b"}]},
            "/options/attributes/0/type",
        ),
        ({"batchNotify": {"size": 0}}, "/options/batchNotify/size"),
        ({"batchNotify": {"size": 1_001}}, "/options/batchNotify/size"),
        ({"batchNotify": {"size": 5, "timeWindow": 4}}, "/options/batchNotify/timeWindow"),
        ({"timeout": 0}, "/options/timeout"),
        ({"proxy": "https://p.example"}, "/options/proxy"),
        ({"caPem": "no certificate"}, "/options/caPem"),
        ({"surprise": 1}, "/options/surprise"),
    ],
)
def test_what_is_wrong_is_named(client: FlaskClient, options: dict[str, Any], pointer: str) -> None:
    answer = made(client, options={**HOOK["options"], **options})

    assert answer.status_code == 422
    assert pointer in {one["pointer"] for one in answer.json["errors"]}


@pytest.mark.parametrize("secret", ["x", "whsec_", "whsec_AAAA", "whsec_%%%", "A" * 44])
def test_a_secret_that_no_receiver_could_use_is_refused(client: FlaskClient, secret: str) -> None:
    answer = made(client, secrets={"signingSecret": secret})

    assert answer.status_code == 422
    assert len(secret) < len("whsec_A") or secret not in json.dumps(answer.json)
