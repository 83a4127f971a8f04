"""Single requests of the HTTP interface, for what is not measured."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Protocol

from bench.product import KEY


class Ask(Protocol):
    """Sends one request; anything but 2xx ends the bench."""

    def __call__(self, method: str, path: str, body: Any = None) -> Mapping[str, Any]:
        """Return the document of the answer."""


@contextmanager
def asking(port: int) -> Iterator[Ask]:
    """Give a function that asks over one kept connection."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:

        def ask(method: str, path: str, body: Any = None) -> Mapping[str, Any]:
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1{path}", data, headers)
            answer = connection.getresponse()
            document: Mapping[str, Any] = json.loads(answer.read())
            assert 200 <= answer.status < 300, document
            return document

        yield ask
