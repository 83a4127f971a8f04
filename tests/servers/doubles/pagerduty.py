"""PagerDuty's Events API v2 on loopback, with its limits, refusals and rate limit.

    with PagerDuty() as service:
        ... options {"url": service.url}, secret {"routingKey": KEY}
        assert service.alerts["tocsin-7"].open

It refuses what the documentation says that the real one refuses; nobody is called.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app import clock
from tests.servers.http_script import Hit, HttpSink, answer

KEY = "0123456789abcdef0123456789abcdef"
MOST_BODY, MOST_SUMMARY, MOST_KEY = 512 * 1024, 1_024, 255
_SEVERITIES = ("critical", "error", "warning", "info")
_ACTIONS = ("trigger", "acknowledge", "resolve")


@dataclass
class Alert:
    """What was made of a key: the events that were taken, and whether it is open."""

    dedup_key: str
    open: bool = True
    events: list[dict[str, Any]] = field(default_factory=list)
    resolved: int = 0


@dataclass
class PagerDuty:
    """Listens on loopback while it is entered; `limit` events of a key are taken in 60 seconds."""

    keys: frozenset[str] = frozenset((KEY,))
    limit: int = 120
    context: ssl.SSLContext | None = None
    alerts: dict[str, Alert] = field(default_factory=dict)
    accepted: list[dict[str, Any]] = field(default_factory=list)
    # Resolves of keys that nothing is open for: accepted, and dropped.
    dropped: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    heard: Callable[[str], None] = lambda _line: None
    title: ClassVar[str] = "PagerDuty"

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of the form."""
        return {"URL": self.url, "Integration Key": KEY}

    def __enter__(self) -> PagerDuty:
        self._lock = threading.Lock()
        self._scripted: deque[bytes] = deque()
        self._times: dict[str, deque[float]] = {}
        self.server = HttpSink(self._answer, self.context).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    @property
    def url(self) -> str:
        """What a system has as its own URL."""
        scheme, host = ("https", "localhost") if self.context else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}/v2/enqueue"

    def says(self, status: int, times: int = 1, body: bytes = b"{}", **headers: object) -> None:
        """Answer the next requests so, and take none of them; `Retry_After=1` is a header."""
        self._scripted.extend([answer(status, body, **headers)] * times)

    def _answer(self, hit: Hit, _client: socket.socket) -> bytes:
        with self._lock:
            said = self._scripted.popleft() if self._scripted else self._judged(hit)
            self.statuses.append(int(said[9:12]))
            return said

    def _judged(self, hit: Hit) -> bytes:
        method, path, _ = hit.line.split(" ")
        if (method, path) != ("POST", "/v2/enqueue"):
            return answer(405 if path == "/v2/enqueue" else 404)
        if len(hit.body) > MOST_BODY:
            return _refusal(413, ["Payload is larger than 512 KB"])
        try:
            event = json.loads(hit.body)
        except ValueError:
            return _refusal(400, ["JSON parse error"])
        if errors := list(self._errors(event)):
            return _refusal(400, errors)
        if self._is_too_many(event["routing_key"]):
            return answer(429, b'{"status":"throttle exceeded","message":"Requests for this key"}')
        return self._taken(event)

    def _errors(self, event: Any) -> Iterator[str]:
        """Yield what the real one has against an event."""
        if not isinstance(event, dict):
            yield "Event is not an object"
            return
        key, action, dedup = (event.get(n) for n in ("routing_key", "event_action", "dedup_key"))
        if not isinstance(key, str) or len(key) != 32:
            yield "Length of 'routing_key' is incorrect (should be 32 characters)"
        elif key not in self.keys:
            yield "Invalid routing key"
        if action not in _ACTIONS:
            yield "'event_action' is missing or invalid"
        if dedup is not None and (not isinstance(dedup, str) or len(dedup) > MOST_KEY):
            yield "'dedup_key' is too long (maximum is 255 characters)"
        if action != "trigger":
            if not dedup:
                yield "'dedup_key' is missing or blank"
            return
        yield from _payload_errors(event.get("payload"))
        for link in event.get("links", []):
            if not str(link.get("href", "")).startswith(("http://", "https://")):
                yield "'links' must have an href"

    def _is_too_many(self, key: str) -> bool:
        times, now = self._times.setdefault(key, deque()), clock.monotonic()
        while times and times[0] <= now - 60:
            times.popleft()
        times.append(now)
        return len(times) > self.limit

    def _taken(self, event: dict[str, Any]) -> bytes:
        self.accepted.append(event)
        summary = event.get("payload", {}).get("summary", event.get("dedup_key"))
        self.heard(f"{self.title}: {event['event_action']} {summary}")
        key = event.get("dedup_key") or f"made-{len(self.accepted)}"
        there = self.alerts.get(key)
        if event["event_action"] == "trigger":
            if there is None or not there.open:
                there = self.alerts[key] = Alert(key, resolved=there.resolved if there else 0)
            there.events.append(event)
        elif there is None or not there.open:
            self.dropped.append(event)
        elif event["event_action"] == "resolve":
            there.open, there.resolved = False, there.resolved + 1
        said = {"status": "success", "message": "Event processed", "dedup_key": key}
        return answer(202, json.dumps(said).encode(), Content_Type="application/json")


def _payload_errors(payload: Any) -> Iterator[str]:
    given = payload if isinstance(payload, dict) else {}
    for name in ("summary", "source", "severity"):
        if not isinstance(given.get(name), str) or not given[name]:
            yield f"'payload.{name}' is missing or blank"
    if len(str(given.get("summary"))) > MOST_SUMMARY:
        yield "'summary' is too long (maximum is 1024 characters)"
    if given.get("severity") not in _SEVERITIES:
        yield "'severity' is invalid"
    if not isinstance(given.get("custom_details", {}), dict):
        yield "'custom_details' must be an object"


def _refusal(status: int, errors: list[str]) -> bytes:
    said = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return answer(status, json.dumps(said).encode(), Content_Type="application/json")
