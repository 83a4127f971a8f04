"""The OpenAPI document and the page made from it, which needs neither scripts nor the internet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response, render_template
from markupsafe import Markup, escape

from app.api.endpoints import Call, endpoint

_CODE = re.compile(r"`([^`]+)`")
POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@endpoint("GET", "/openapi.json", scope=None, tag="Documentation", answers={200: None})
def read_openapi(call: Call) -> Response:
    """The OpenAPI 3.1 document of this interface."""
    from app.api import openapi  # noqa: PLC0415 - 0.1 s that a server need not pay at its start

    return Response(openapi.document(), content_type="application/json")


@endpoint(
    "GET", "/api/docs", scope=None, tag="Documentation", answers={200: None}, media_type="text/html"
)
def read_documentation(call: Call) -> Response:
    """This page."""
    from app.api import openapi  # noqa: PLC0415 - as above

    document = json.loads(openapi.document())
    page = render_template(
        "api/docs.html",
        info=document["info"],
        tags=_by_tag(document["paths"]),
        schemas={name: _fields(one) for name, one in document["components"]["schemas"].items()},
        type_of=type_of,
        marked=marked,
    )
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(page, content_type="text/html; charset=utf-8", headers=headers)


def _by_tag(paths: Mapping[str, Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            entry = {**operation, "method": method.upper(), "path": path}
            tags.setdefault(operation["tags"][0], []).append(entry)
    return tags


def _fields(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with its fields as rows: name, type, whether required, description."""
    required = schema.get("required", ())
    rows = [
        {
            "name": name,
            "type": type_of(field),
            "required": name in required,
            "default": json.dumps(field["default"]) if "default" in field else None,
            "description": field.get("description", ""),
        }
        for name, field in schema.get("properties", {}).items()
    ]
    return {**schema, "rows": rows, "alternatives": _alternatives(schema)}


def _alternatives(schema: Mapping[str, Any]) -> list[str]:
    return [type_of(one) for one in schema.get("oneOf", schema.get("anyOf", ()))]


def marked(text: str) -> Markup:
    """Return `text` with what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


def type_of(schema: Mapping[str, Any]) -> str:
    """Return a schema in a few words: `text, at most 100`, `list of Failure`, `a | null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " | ".join(map(type_of, schema[key]))
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    return ", ".join(_words(schema)) or "any"


def _words(schema: Mapping[str, Any]) -> Iterator[str]:
    names = {"string": "text", "integer": "whole number", "boolean": "true | false"}
    kind = schema.get("format") or schema.get("type")
    if kind:
        yield names.get(kind, kind)
    if schema.get("maxLength"):
        yield f"at most {schema['maxLength']:,}"
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']:,} to {schema['maximum']:,}"
