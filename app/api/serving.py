"""Endpoints as views: gate, parameters, body, view, answer; the last resort for errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Flask, Request, Response, request
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from app.api import bodies, parameters, problems
from app.api.direct import Direct
from app.api.endpoints import ENDPOINTS, Call, Endpoint, Reply, is_ours
from app.api.gate import ANYBODY, Gate, from_loopback
from app.clock import monotonic
from app.errors import StorageUnavailable, TocsinError
from app.services.api_keys import Caller
from app.services.installation import Installation, installation

log = logging.getLogger(__name__)

_NO_DOCUMENT = 204


class _Outages:
    """Logs that nothing can be stored, once a second and not once a report."""

    def __init__(self) -> None:
        self._until = 0.0

    def note(self, error: TocsinError) -> None:
        """Log `error` if it is an outage that was not told within the second."""
        now = monotonic()
        if isinstance(error, StorageUnavailable) and now >= self._until:
            self._until = now + 1.0
            log.warning("%s", error)


_OUTAGES = _Outages()


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
        # The request itself: each look through Flask's proxy costs as much as a call.
        current: Request = request._get_current_object()  # type: ignore[attr-defined]
        return self.respond(current, path)

    def respond(self, current: Request, path: Mapping[str, str]) -> Response:
        """Answer a request, `path` being the variable parts of its address; never raises."""
        try:
            return self._response(self._answer(current, path))
        except TocsinError as error:
            _OUTAGES.note(error)
            return problems.answer(error) or _unexpected(current, error)
        except HTTPException as error:
            return problems.http(error)
        except Exception as error:
            # The request boundary: whatever it is, the caller gets an answer, and the log a line.
            return _unexpected(current, error)

    def _answer(self, current: Request, path: Mapping[str, str]) -> Any:
        caller = self._caller(current)
        condition = parameters.condition(current.headers.get("If-Match"))
        call = Call(self._site, caller, current.headers, condition)
        return self._view(call, **dict(self._arguments(current, path)))

    def _caller(self, current: Request) -> Caller:
        scope = self._declared.scope
        if scope is None or (self._declared.loopback and from_loopback(current)):
            return ANYBODY
        return self._gate.caller(current, scope)

    def _arguments(self, current: Request, path: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        for name, take in self._parts.items():
            yield name, take(name, path[name])
        if self._takes_query or current.query_string:
            query = parameters.parse_query(self._query, current.query_string)
            if self._takes_query:
                yield "query", query
        if self._body:
            yield self._body(current)

    def _body_reader(self) -> Callable[[Request], tuple[str, Any]] | None:
        takes, shape = self._declared.takes, self._declared.body
        if "patch" in takes:
            return lambda got: ("patch", bodies.decode(bodies.read(got, bodies.PATCH)))
        if "document" in takes:
            return lambda got: ("document", bodies.decode(bodies.read(got, bodies.JSON)))
        if "raw" in takes:
            return lambda got: ("raw", bodies.raw(got, self._declared.types))
        if "body" not in takes or shape is None:
            return None
        if self._declared.body_optional:
            return lambda got: ("body", _maybe_body(got, shape))
        return lambda got: ("body", bodies.parse(shape, bodies.read(got, bodies.JSON)))

    def _response(self, result: Any) -> Response:
        if isinstance(result, Response):
            return result
        reply = result if isinstance(result, Reply) else Reply(result)
        status = self._status if reply.status is None else reply.status
        headers = [("Cache-Control", "no-store"), *reply.headers.items()]
        if status != _NO_DOCUMENT:
            headers.append(("Content-Type", self._declared.media_type))
        if reply.version:
            headers.append(("ETag", parameters.entity_tag(reply.version)))
        response = Response(_encoded(reply.document), status, headers)
        if status == _NO_DOCUMENT:
            del response.headers["Content-Type"]
        return response


def _maybe_body(current: Request, shape: type[BaseModel]) -> BaseModel | None:
    """Return the body where one was sent; an empty one is none, whatever its content type."""
    if not current.content_length and "Transfer-Encoding" not in current.headers:
        return None
    return bodies.parse(shape, bodies.read(current, bodies.JSON))


def _encoded(document: BaseModel | Mapping[str, Any] | None) -> bytes:
    if document is None:
        return b""
    if isinstance(document, BaseModel):
        return document.model_dump_json(by_alias=True).encode()
    return json.dumps(document).encode()


def _unexpected(current: Request, error: Exception) -> Response:
    """Log one line with the traceback; the caller learns nothing of our insides."""
    log.error("%s %s failed", current.method, current.path, exc_info=error)
    return problems.problem(500, problems.HIDDEN)


class NameConverter(BaseConverter):
    """A name given by people: WSGI has decoded %2F already, so it may hold slashes."""

    part_isolating = False
    regex = r"(?s:.+?)"


def bind(app: Flask) -> None:
    """Add every declared endpoint to `app`, with the answers for what matches none of them."""
    site = installation(app)
    app.url_map.converters["name"] = NameConverter
    gate = Gate(site.store)
    direct = Direct(app.wsgi_app)
    for declared in ENDPOINTS:
        view = _View(declared, site, gate)
        if declared.direct:
            direct.add(declared, view.respond)
        app.add_url_rule(
            declared.rule,
            f"api.{declared.name}",
            view,
            methods=[declared.method],
            provide_automatic_options=False,
            merge_slashes=False,
        )
    app.wsgi_app = direct  # type: ignore[method-assign]
    app.register_error_handler(HTTPException, _http_error)


def _http_error(error: HTTPException) -> Response | HTTPException:
    """Answer in problem+json below the API's roots; elsewhere the error is somebody else's."""
    return problems.http(error) if is_ours(request.path) else error
