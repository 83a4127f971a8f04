"""Endpoints as Flask views: gate, parameters, body, view, answer; and the last resort for errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Flask, Response, request
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException

from app.api import bodies, parameters, problems
from app.api.endpoints import ENDPOINTS, Call, Endpoint, Reply, is_ours
from app.api.gate import ANYBODY, Gate, from_loopback
from app.errors import TocsinError
from app.services.api_keys import Caller
from app.services.installation import Installation, installation

log = logging.getLogger(__name__)

_NO_DOCUMENT = 204


class _View:
    """One endpoint of one application; all that does not depend on the request is done before."""

    def __init__(self, declared: Endpoint, site: Installation, gate: Gate) -> None:
        self._declared, self._site, self._gate = declared, site, gate
        self._view, self._query = declared.view, declared.query
        self._takes_query = "query" in declared.takes
        self._body = self._body_reader()
        self._parts: dict[str, Callable[[str, str], Any]] = {
            name: parameters.number if name == "id" else parameters.part for name in declared.parts
        }
        self._status = next(iter(declared.answers))

    def __call__(self, **path: str) -> Response:
        try:
            return self._response(self._answer(path))
        except TocsinError as error:
            return problems.answer(error) or _unexpected(error)
        except HTTPException as error:
            return problems.http(error)
        except Exception as error:  # noqa: BLE001 - the request boundary
            return _unexpected(error)

    def _answer(self, path: Mapping[str, str]) -> Any:
        condition = parameters.condition(request.headers.get("If-Match"))
        call = Call(self._site, self._caller(), request.headers, condition)
        return self._view(call, **dict(self._arguments(path)))

    def _caller(self) -> Caller:
        scope = self._declared.scope
        if scope is None or (self._declared.loopback and from_loopback(request)):
            return ANYBODY
        return self._gate.caller(request, scope)

    def _arguments(self, path: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        for name, take in self._parts.items():
            yield name, take(name, path[name])
        if self._takes_query or request.query_string:
            query = parameters.parse_query(self._query, request.query_string)
            if self._takes_query:
                yield "query", query
        if self._body:
            yield self._body()

    def _body_reader(self) -> Callable[[], tuple[str, Any]] | None:
        takes, shape = self._declared.takes, self._declared.body
        if "patch" in takes:
            return lambda: ("patch", bodies.decode(bodies.read(request, bodies.PATCH)))
        if "document" in takes:
            return lambda: ("document", bodies.decode(bodies.read(request, bodies.JSON)))
        if "body" not in takes or shape is None:
            return None
        if self._declared.body_optional:
            return lambda: ("body", _maybe_body(shape))
        return lambda: ("body", bodies.parse(shape, bodies.read(request, bodies.JSON)))

    def _response(self, result: Any) -> Response:
        if isinstance(result, Response):
            return result
        reply = result if isinstance(result, Reply) else Reply(result)
        status = self._status if reply.status is None else reply.status
        response = Response(_encoded(reply.document), status, reply.headers)
        response.content_type = self._declared.media_type
        if status == _NO_DOCUMENT:
            del response.headers["Content-Type"]
        if reply.version:
            response.headers["ETag"] = parameters.entity_tag(reply.version)
        response.headers["Cache-Control"] = "no-store"
        return response


def _maybe_body(shape: type[BaseModel]) -> BaseModel | None:
    """Return the body where one was sent; without length or content type there is none."""
    if not request.content_length and not request.mimetype:
        return None
    return bodies.parse(shape, bodies.read(request, bodies.JSON))


def _encoded(document: BaseModel | Mapping[str, Any] | None) -> bytes:
    if document is None:
        return b""
    if isinstance(document, BaseModel):
        return document.model_dump_json(by_alias=True).encode()
    return json.dumps(document).encode()


def _unexpected(error: Exception) -> Response:
    """Log one line with the traceback; the caller learns nothing of our insides."""
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return problems.problem(500, problems.HIDDEN)


def bind(app: Flask) -> None:
    """Add every declared endpoint to `app`, with the answers for what matches none of them."""
    site = installation(app)
    gate = Gate(site.store)
    for declared in ENDPOINTS:
        app.add_url_rule(
            declared.rule,
            f"api.{declared.name}",
            _View(declared, site, gate),
            methods=[declared.method],
            provide_automatic_options=False,
            merge_slashes=False,
        )
    app.register_error_handler(HTTPException, _http_error)


def _http_error(error: HTTPException) -> Response | HTTPException:
    """Answer in problem+json below the API's roots; elsewhere the error is somebody else's."""
    return problems.http(error) if is_ours(request.path) else error
