"""Endpoints that are answered before Flask: reports, at half the price (docs/decisions/0022).

What Flask does around a view (contexts, session, the map of all addresses) costs as much as storing
the report. The view is the same one; an address that is not exactly one of these goes to Flask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from flask import Request, Response

from app.api.endpoints import Endpoint

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Respond = Callable[[Request, Mapping[str, str]], Response]


class _Address(NamedTuple):
    """An address with one variable part, `name`, between two fixed ones."""

    before: str
    name: str
    after: str
    respond: Respond

    def part(self, path: str) -> str | None:
        """Return the variable part of `path`, None where it is another address."""
        fixed = len(self.before) + len(self.after)
        if len(path) > fixed and path.startswith(self.before) and path.endswith(self.after):
            return path[len(self.before) : len(path) - len(self.after)]
        return None


class Direct:
    """A WSGI application before `inner`, which gets all that is not one of its endpoints."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner
        self._fixed: dict[tuple[str, str], Respond] = {}
        self._varied: dict[str, list[_Address]] = {}

    def add(self, declared: Endpoint, respond: Respond) -> None:
        """Answer `declared` by `respond`; its path has one variable part at the most."""
        parts = declared.parts
        if not parts:
            self._fixed[declared.method, declared.path] = respond
            return
        (name,) = parts
        before, after = declared.path.split(f"{{{name}}}")
        self._varied.setdefault(declared.method, []).append(_Address(before, name, after, respond))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or hand on to `inner`."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        respond = self._fixed.get((method, path))
        if respond is not None:
            return respond(Request(environ), {})(environ, start_response)
        for address in self._varied.get(method, ()):
            if address.part(path) is not None:
                request = Request(environ)
                # As Werkzeug decodes it; what is fixed is ASCII and stays what it is.
                part = address.part(request.path)
                if part is not None:
                    return address.respond(request, {address.name: part})(environ, start_response)
        return self._inner(environ, start_response)
