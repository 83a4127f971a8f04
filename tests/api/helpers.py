"""Words of the API tests: sending reports, making keys, reading faults."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.services import api_keys
from app.services.installation import installation

FAILURE = {"kind": "global", "message": "Connection refused"}


def report(client: FlaskClient, key: str = "erp", **fields: Any) -> TestResponse:
    """Report a global failure of the integration `key`."""
    return client.post(f"/api/v1/integrations/{key}/failures", json=FAILURE | fields)


def reported(client: FlaskClient, key: str = "erp", **fields: Any) -> str:
    """Report a failure and return its id."""
    answer = report(client, key, **fields)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["failure"]["id"])


def client_with(app: Flask, *scopes: str, integration: str | None = None) -> FlaskClient:
    """Return a client whose key has `scopes`."""
    name = " ".join((*scopes, integration or ""))
    key = api_keys.create(installation(app), name, scopes, integration, actor="test")
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.reveal()}"
    return client


def faults(answer: TestResponse) -> dict[str, str]:
    """Return the faults that an answer names, by pointer; it must be a 422."""
    assert answer.status_code == 422, answer.text
    return {fault["pointer"]: fault["message"] for fault in answer.get_json()["errors"]}


def is_problem(answer: TestResponse, status: int) -> bool:
    """Whether `answer` is a problem document of `status` with all of its members."""
    document = answer.get_json(force=True)
    return (
        answer.status_code == document["status"] == status
        and answer.content_type == "application/problem+json"
        and all(document[name] for name in ("type", "title", "detail"))
    )
