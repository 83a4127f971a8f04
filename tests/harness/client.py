"""A client of the HTTP interface, as an integration or an operator would write one."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from app import clock
from tests.harness.waiting import PATIENCE, eventually

ADMIN_KEY = "tck_tests-only-admin-key-0123456789"
IDLE_SECONDS = 5.0
BROKEN = (OSError, http.client.HTTPException)
Document = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """Status and body of one answer; `document` is its JSON."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Any:
        """The body as JSON; None where it has none."""
        return json.loads(self.text) if self.text else None

    def of(self, *statuses: int) -> Any:
        """Return the document; fails the test when the status is another one."""
        assert self.status in statuses, f"{self.status}: {self.text}"
        return self.document


class Api:
    """Speaks to the server on a port of loopback; each thread keeps a connection of its own."""

    def __init__(self, port: int, key: str = ADMIN_KEY) -> None:
        self._port, self._key = port, key
        self._local = threading.local()
        self._open: set[http.client.HTTPConnection] = set()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Answer:
        """Send one request, without repeating it; raises one of BROKEN when there is no answer."""
        connection = self._connection(timeout)
        given = {"Authorization": f"Bearer {self._key}", **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            given["Content-Type"] = "application/json"
        try:
            connection.request(method, path, data, given)
            answer = connection.getresponse()
            text = answer.read().decode()
        except BROKEN:
            self.hang_up()
            raise
        return Answer(answer.status, text, dict(answer.getheaders()))

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        # The server closes what was idle for long; it may do so just when we use it again.
        if clock.monotonic() - getattr(self._local, "used_at", 0.0) > IDLE_SECONDS:
            self.hang_up()
        self._local.used_at = clock.monotonic()
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
            self._local.connection = connection
            self._open.add(connection)
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        return connection

    def hang_up(self) -> None:
        """Close this thread's connection, so that the next request may reach another process."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._open.discard(connection)
            self._local.connection = None

    def close(self) -> None:
        """Close the connections of all threads, which have ended."""
        for connection in list(self._open):
            connection.close()

    def sure(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask until there is an answer: for what is harmless when it is done twice."""
        deadline = clock.monotonic() + PATIENCE
        while True:
            try:
                answer = self.ask(method, f"/api/v1{path}", body)
            except BROKEN:
                assert clock.monotonic() < deadline, f"no answer to {method} {path}"
            else:
                if answer.status != http.HTTPStatus.SERVICE_UNAVAILABLE:
                    return answer
                assert clock.monotonic() < deadline, f"{answer.status}: {answer.text}"
            clock.sleep(0.05)

    def get(self, path: str, **query: Any) -> Any:
        """Return the document at `path`."""
        return self.sure("GET", f"{path}?{urlencode(query)}" if query else path).of(200)

    def items(self, path: str, **query: Any) -> list[Document]:
        """Return all items of a list, page after page."""
        found: list[Document] = []
        cursor: Document = {}
        while True:
            page = self.get(path, limit=1000, **query, **cursor)
            found += page["items"]
            if not page["next"]:
                return found
            cursor = {"cursor": page["next"]}

    def put(self, path: str, body: Document) -> Document:
        """Make or replace what stands at `path`."""
        made: Document = self.sure("PUT", path, body).of(200, 201)
        return made

    def set(self, **settings: Any) -> None:
        """Change settings."""
        self.sure("PATCH", "/settings", settings).of(200)

    def mail_system(self, name: str, port: int, **options: Any) -> None:
        """Make an SMTP system on a port of loopback, without TLS and login unless told so."""
        secrets = options.pop("secrets", None)
        body: Document = {
            "kind": "smtp",
            "options": {
                "server": "127.0.0.1",
                "port": port,
                "encryption": "none",
                "authenticationRequired": False,
                "senderEmail": "tocsin@example.com",
                "timeout": 10,
            }
            | options,
        }
        self.put(f"/systems/{quote(name)}", body | ({"secrets": secrets} if secrets else {}))

    def register(self, integration: str, system: str, **forward: Any) -> None:
        """Make an integration and register it: `forward` replaces what stands in its block."""
        self.put(f"/integrations/{integration}", {"name": integration.title()})
        traces = forward.pop("traces", True)
        block = {"recipients": [f"{integration}@example.com"], "global": {"immediately": True}}
        body = {"system": system, "includeErrorTrace": traces, "forward": block | forward}
        self.put(f"/registrations/{integration}", body)

    def fail(self, integration: str, **body: Any) -> Document:
        """Report a global failure, surely once."""
        given = {"kind": "global", "errorCode": "E", "message": "It broke."} | body
        path = f"/api/v1/integrations/{integration}/failures"
        answer: Document = self.ask("POST", path, given).of(202)
        return answer

    def active(self, integration: str, **body: Any) -> Document:
        """Report activity, surely once."""
        path = f"/api/v1/integrations/{integration}/activity"
        answer: Document = self.ask("POST", path, body).of(202)
        return answer

    def run_pass(self) -> str:
        """Run a dispatch pass and wait for its end; returns its id."""
        run = str(self.sure("POST", "/dispatch-runs", {}).of(202)["id"])
        eventually("the pass", lambda: self.get(f"/dispatch-runs/{run}")["state"] == "done")
        return run
