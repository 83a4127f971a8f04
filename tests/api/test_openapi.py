"""The OpenAPI document is made from the code that validates, and the page is made from it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.api.endpoints import ENDPOINTS


@pytest.fixture
def document(app: Flask) -> dict[str, Any]:
    """The document, asked for without a key."""
    answer = app.test_client().get("/api/v1/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return dict(answer.get_json())


@pytest.fixture
def database() -> str:
    """One database is enough where nothing is read from it."""
    return "sqlite"


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def test_each_endpoint_is_described_once_under_a_name_of_its_own(document: dict[str, Any]) -> None:
    operations = _operations(document)
    assert set(operations) == {(one.method, one.path) for one in ENDPOINTS}
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names) == len(ENDPOINTS)
    assert all(operation["summary"] for operation in operations.values())


def test_each_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(document)):
        assert name.removeprefix("#/components/schemas/") in schemas


def test_a_scope_is_told_and_stands_behind_the_bearer_scheme(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for one in ENDPOINTS:
        operation = document["paths"][one.path][one.method.lower()]
        if one.scope is None:
            assert operation["security"] == []
        else:
            assert operation["security"] == [{"key": []}]
            assert f"`{one.scope.value}`" in operation["description"]


def test_a_report_is_described_with_its_bounds(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/v1/integrations/{key}/failures"]["post"]
    assert [(one["name"], one["in"]) for one in operation["parameters"]] == [
        ("key", "path"),
        ("Idempotency-Key", "header"),
    ]
    assert set(operation["responses"]) == {
        "202", "400", "401", "403", "404", "409", "413", "415", "422", "503"
    }  # fmt: skip
    body = document["components"]["schemas"]["FailureBody"]
    assert body["properties"]["message"]["maxLength"] == 4000
    assert body["required"] == ["kind", "message"]
    assert body["additionalProperties"] is False
    answer = operation["responses"]["422"]["content"]["application/problem+json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Problem"}


def test_the_filters_of_a_list_are_described_with_their_choices(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/v1/failures"]["get"]
    found = {one["name"]: one["schema"] for one in operation["parameters"]}
    assert set(found) == set(
        "limit cursor kind errorType integration integrationStatus direction errorCode entityId "
        "state notified message wholeMessage q lastCycle since until hasErrorCode".split()
    )
    assert found["state"]["enum"] == ["open", "resolved"]
    assert found["limit"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
    assert found["since"]["format"] == "date-time"
    assert found["notified"]["type"] == "boolean"


def test_answers_are_described_with_every_field(document: dict[str, Any]) -> None:
    delivery = document["components"]["schemas"]["DeliveryWithAttempts"]
    assert {"attempts", "decisions", "recipients"} <= set(delivery["required"])
    assert delivery["properties"]["id"] == {"type": "string", "title": "Id"}


def test_the_page_needs_no_script_and_nothing_from_elsewhere(app: Flask) -> None:
    client: FlaskClient = app.test_client()
    answer = client.get("/api/docs")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<img|style=|\son\w+=|https?://", answer.text)
    for path in re.findall(r'(?:href|src)="(/[^"]*)"', answer.text):
        with client.get(path) as linked:
            assert linked.status_code == 200, path


def test_the_page_shows_each_endpoint_and_each_link_in_it_leads_somewhere(
    app: Flask, document: dict[str, Any]
) -> None:
    page = app.test_client().get("/api/docs").text
    for name in document["components"]["schemas"]:
        assert f'id="shape-{name}"' in page
    for operation in _operations(document).values():
        assert f'id="{operation["operationId"]}"' in page
    targets = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= targets
