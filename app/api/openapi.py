"""The OpenAPI 3.1 document, made from the declared endpoints and the shapes that validate.

Imported when it is first asked for: the model of the document takes 0.1 s to load.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Literal

from openapi_pydantic import OpenAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.bodies import JSON, NDJSON, PATCH
from app.api.endpoints import ENDPOINTS, Endpoint
from app.api.problems import CONTENT_TYPE, Problem

Mode = Literal["validation", "serialization"]
Schemas = Mapping[Any, dict[str, Any]]

TEMPLATE = "#/components/schemas/{model}"
STALE = 412
INTRODUCTION = """\
Errors are problem+json (RFC 9457) and name every fault of a request. Unknown fields and parameters
are refused by name. Lists are keyset pages, newest first: follow `next` as `cursor`. Times are RFC
3339 with offset, answered in UTC. Where a key of a JSON object is doubled, the last one counts."""

_SOURCE = re.compile(r" \((?:spec|S[123]|\w+\.md)\b[^)]*\)")
_ID = {"type": "string", "maxLength": 40}
_PART = {"type": "string", "minLength": 1, "maxLength": 255}
_HEADER = {"type": "string", "minLength": 1, "maxLength": 128}
_LINES = {"type": "string", "description": "One object a line; blank lines are skipped."}
_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    405: {"Allow": {"schema": {"type": "string"}}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}


@lru_cache(maxsize=1)
def document() -> bytes:
    """Return the document as JSON; it is checked against the specification when it is made."""
    schemas, definitions = models_json_schema(_models(), ref_template=TEMPLATE)
    made = {
        "openapi": "3.1.0",
        "info": {"title": "Tocsin", "version": "1", "description": INTRODUCTION},
        "paths": _paths(schemas),
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
    plain: dict[str, Any] = _without_sources(made)
    OpenAPI.model_validate(plain)
    return json.dumps(plain).encode()


def _without_sources(value: Any) -> Any:
    """Return `value` without the references to our own papers that descriptions carry."""
    if isinstance(value, dict):
        return {key: _without_sources(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_sources(item) for item in value]
    return _SOURCE.sub("", value) if isinstance(value, str) else value


def _models() -> list[tuple[type[BaseModel], Mode]]:
    found: dict[tuple[type[BaseModel], Mode], None] = {(Problem, "serialization"): None}
    for endpoint in ENDPOINTS:
        if endpoint.body is not None:
            found[endpoint.body, "validation"] = None
        for answer in filter(None, endpoint.answers.values()):
            found[answer, "serialization"] = None
    return list(found)


def _paths(schemas: Schemas) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in sorted(ENDPOINTS, key=lambda one: one.path):
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return paths


def _operation(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    summary, _, description = (inspect.getdoc(endpoint.view) or "").partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": summary.replace("\n", " ").rstrip("."),
        "description": _scope_sentence(endpoint, description),
        "parameters": [
            *_path_parameters(endpoint),
            *_query_parameters(endpoint),
            *_header_parameters(endpoint),
        ],
        "responses": dict(_answers(endpoint, schemas)),
        "security": [{"key": []}] if endpoint.scope else [],
    }
    if body := _body(endpoint, schemas):
        operation["requestBody"] = body
    return operation


def _scope_sentence(endpoint: Endpoint, description: str) -> str:
    if endpoint.scope is None:
        sentence = "No key is needed."
    else:
        sentence = f"Scope: `{endpoint.scope.value}`."
        if endpoint.loopback:
            sentence += " From loopback no key is needed."
    return f"{description.strip()}\n\n{sentence}".strip()


def _path_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in endpoint.parts:
        schema = _ID if name == "id" else _PART
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    schema = endpoint.query.model_json_schema()
    definitions, required = schema.get("$defs", {}), schema.get("required", ())
    for name, found in schema.get("properties", {}).items():
        inner = dict(_without_null(found, definitions))
        description = inner.pop("description", None) or found.get("description")
        inner.pop("title", None)
        parameter = {"name": name, "in": "query", "required": name in required, "schema": inner}
        yield parameter | ({"description": description} if description else {})


def _header_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    described = dict(endpoint.headers)
    if STALE in endpoint.refusals:
        described["If-Match"] = "The ETag that was read: 412 if it was changed since."
    for name, description in described.items():
        yield {"name": name, "in": "header", "schema": _HEADER, "description": description}


def _without_null(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a parameter that is given: absence is its only null."""
    given = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    chosen = given[0] if given else {k: v for k, v in schema.items() if v is not None}
    if "$ref" in chosen:
        chosen = definitions[chosen["$ref"].rsplit("/", 1)[1]]
    return {name: chosen[name] for name in chosen if name != "default" or chosen[name] is not None}


def _body(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any] | None:
    if endpoint.body is None:
        return None
    # A patch may leave out any field, so that its schema says no more than that.
    schema = _patch(endpoint.body) if endpoint.is_patch else schemas[endpoint.body, "validation"]
    names = endpoint.types or (PATCH if endpoint.is_patch else JSON)
    return {
        "required": not endpoint.body_optional,
        "content": {name: {"schema": _LINES if name == NDJSON else schema} for name in names},
    }


def _patch(shape: type[BaseModel]) -> dict[str, Any]:
    return {"type": "object", "description": f"Any fields of {shape.__name__} (RFC 7396)."}


def _answers(endpoint: Endpoint, schemas: Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, shape in endpoint.answers.items():
        answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if shape is not None:
            schema = schemas[shape, "serialization"]
            answer["content"] = {endpoint.media_type: {"schema": schema}}
        yield str(status), answer
    for status in sorted(set(_refusals(endpoint)) - set(endpoint.answers)):
        refused: dict[str, Any] = {
            "description": HTTPStatus(status).phrase,
            "content": {CONTENT_TYPE: {"schema": schemas[Problem, "serialization"]}},
        }
        if status in _HEADERS:
            refused["headers"] = _HEADERS[status]
        yield str(status), refused


def _refusals(endpoint: Endpoint) -> Iterable[int]:
    """Return every status of trouble: those declared, and those the framework answers."""
    yield from endpoint.refusals
    yield 422
    if endpoint.scope:
        yield from (401, 403, 503)
    if endpoint.parts:
        yield 404
    if endpoint.body is not None:
        yield from (400, 413, 415)
