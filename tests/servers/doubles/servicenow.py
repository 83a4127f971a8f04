"""An instance of ServiceNow on loopback: its table of incidents, and its Event Management.

    with ServiceNow() as instance:
        ... options {"instance": instance.url, "user": USER}, secret {"password": PASSWORD}
        assert instance.open("tocsin-7")["number"] == "INC0010001"

As in the real one texts that are too long are cut without a word, a search compares without case
and skips conditions on fields that are hidden from the user, and a data policy wants close code
and notes of what is resolved.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from app import clock
from tests.servers.http_script import Hit, HttpSink, answer

USER, PASSWORD, TOKEN = "tocsin.rest", "canary-p\u00e4ssword", "canary-token-0123456789"
INCIDENTS, EVENTS = "/api/now/table/incident", "/api/global/em/jsonv2"
_LENGTHS = {"short_description": 160, "description": 4_000, "correlation_id": 100}
_EVENT_LENGTHS = {"source": 100, "node": 100, "resource": 100, "type": 100, "event_class": 100,
                  "message_key": 1_024, "description": 4_000}  # fmt: skip
_HIBERNATING = b"<html><head><title>Instance Hibernating page</title></head></html>"


@dataclass
class ServiceNow:
    """Listens on loopback while it is entered; `limit` requests are taken in an hour."""

    user: str = USER
    password: str = PASSWORD
    token: str = TOKEN
    limit: int | None = None
    hibernating: bool = False
    # Fields that the user may neither read nor write.
    hidden: frozenset[str] = frozenset()
    context: ssl.SSLContext | None = None
    incidents: list[dict[str, str]] = field(default_factory=list)
    em_events: list[dict[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    heard: Callable[[str], None] = lambda _line: None
    title: ClassVar[str] = "ServiceNow"

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of the form."""
        return {"Instance": self.url, "User": self.user, "Password": self.password}

    def __enter__(self) -> ServiceNow:
        self._lock = threading.Lock()
        self._scripted: deque[tuple[str, bytes]] = deque()
        self._times: deque[float] = deque()
        self.server = HttpSink(self.respond, self.context).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    @property
    def url(self) -> str:
        """What a system has as its instance."""
        scheme, host = ("https", "localhost") if self.context else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}"

    def of(self, correlation_id: str) -> list[dict[str, str]]:
        """Return the incidents of a key, in the order in which they were opened."""
        return [one for one in self.incidents if one.get("correlation_id") == correlation_id]

    def open(self, correlation_id: str) -> dict[str, str]:
        """Return the one incident of a key that is open."""
        (one,) = [one for one in self.of(correlation_id) if one["state"] not in ("6", "7", "8")]
        return one

    def says(
        self, status: int, times: int = 1, body: bytes = b"{}", *, to: str = "", **headers: object
    ) -> None:
        """Answer the next requests so, and do nothing; `to`: the first of such a method only."""
        self._scripted.extend([(to, answer(status, body, **headers))] * times)

    def respond(self, hit: Hit, _client: socket.socket) -> bytes:
        """Return the answer to a request, and do what it asks for."""
        method, target, _ = hit.line.split(" ")
        with self._lock:
            self.requests.append(f"{method} {urlsplit(target).path}")
            if self._scripted and self._scripted[0][0] in ("", method):
                return self._scripted.popleft()[1]
            if self.hibernating:
                return answer(200, _HIBERNATING, Content_Type="text/html")
            return self._judged(method, target, hit)

    def _judged(self, method: str, target: str, hit: Hit) -> bytes:
        if hit.headers.get("authorization") not in self._logins():
            said = _error("User Not Authenticated", "Required to provide Auth information")
            return answer(401, said, WWW_Authenticate='BASIC realm="Service-now"')
        if (left := self._left()) is not None:
            return answer(429, _error("Rate limit exceeded"), Retry_After=left)
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if (method, path) == ("GET", INCIDENTS):
            return self._found(query)
        try:
            return self._written(f"{method} {path}", json.loads(hit.body), query)
        except ValueError:
            return answer(400, _error("Exception while reading request", "not JSON"))

    def _written(self, asked: str, body: Any, query: Mapping[str, list[str]]) -> bytes:
        if asked == f"POST {EVENTS}":
            return self._events(body)
        if asked == f"POST {INCIDENTS}":
            return self._opened(body, query)
        if asked.startswith(f"PATCH {INCIDENTS}/"):
            return self._changed(asked.rpartition("/")[2], body, query)
        return answer(404, _error("Requested URI does not represent any resource"))

    def _logins(self) -> tuple[str, str]:
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return f"Basic {pair}", f"Bearer {self.token}"

    def _left(self) -> int | None:
        """Return for how many seconds to come back later."""
        now = clock.monotonic()
        while self._times and self._times[0] <= now - 3_600:
            self._times.popleft()
        if self.limit is not None and len(self._times) >= self.limit:
            return int(3_600 - (now - self._times[0])) + 1
        self._times.append(now)
        return None

    def _found(self, query: Mapping[str, list[str]]) -> bytes:
        records = list(self.incidents)
        for condition in query.get("sysparm_query", [""])[0].split("^"):
            name, sign, value = condition.partition("=")
            if sign and name not in self.hidden:
                records = [one for one in records if one.get(name, "").lower() == value.lower()]
            elif condition.startswith("ORDERBYDESC"):
                records.reverse()
        most = int(query.get("sysparm_limit", ["10000"])[0])
        return _result(200, [self._shown(one, query) for one in records[:most]])

    def _opened(self, body: dict[str, str], query: Mapping[str, list[str]]) -> bytes:
        number = len(self.incidents) + 1
        made = {
            "sys_id": f"{number:032x}",
            "number": f"INC{number + 10_000:07}",
            "state": "1",
            **self._kept(body, _LENGTHS),
        }
        self.incidents.append(made)
        self.heard(f"{self.title}: opened {made['number']} {made.get('short_description', '')}")
        return _result(201, self._shown(made, query))

    def _changed(self, sys_id: str, body: dict[str, str], query: Mapping[str, list[str]]) -> bytes:
        there = [one for one in self.incidents if one["sys_id"] == sys_id]
        if not there:
            return answer(404, _error("No Record found", "Record doesn't exist or ACL restricts"))
        if body.get("state") in ("6", "7") and not (
            body.get("close_code") and body.get("close_notes")
        ):
            detail = "Data Policy Exception: Resolution code, Resolution notes are mandatory"
            return answer(403, _error("Operation Failed", detail))
        there[0].update(self._kept(body, _LENGTHS))
        self.heard(f"{self.title}: changed {there[0]['number']}, state {there[0]['state']}")
        return _result(200, self._shown(there[0], query))

    def _events(self, body: Any) -> bytes:
        records = body.get("records") if isinstance(body, dict) else None
        if not isinstance(records, list) or not all(map(_is_event, records)):
            return answer(400, _error("Invalid records"))
        self.em_events += [self._kept(one, _EVENT_LENGTHS) for one in records]
        for one in records:
            self.heard(f"{self.title}: event {one.get('description', '')}")
        return _result(200, {"Default Bulk Endpoint": f"{len(records)} events were inserted"})

    def _kept(self, given: Mapping[str, Any], lengths: Mapping[str, int]) -> dict[str, str]:
        return {
            name: str(value)[: lengths.get(name, 4_000)]
            for name, value in given.items()
            if name not in self.hidden
        }

    def _shown(self, record: dict[str, str], query: Mapping[str, list[str]]) -> dict[str, str]:
        fields = query.get("sysparm_fields", [",".join(record)])[0].split(",")
        return {name: record.get(name, "") for name in fields if name not in self.hidden}


def _is_event(record: Any) -> bool:
    """Whether a record is one that Event Management makes an alert of."""
    try:
        more = json.loads(record["additional_info"])
        return (
            all(isinstance(value, str) for value in (*record.values(), *more.values()))
            and record["severity"] in {"0", "1", "2", "3", "4", "5"}
            and bool(record["source"] and record["message_key"])
            and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", record["time_of_event"]) is not None
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _result(status: int, result: Any) -> bytes:
    return answer(status, json.dumps({"result": result}).encode(), Content_Type="application/json")


def _error(message: str, detail: str | None = None) -> bytes:
    error = {"message": message, "detail": detail}
    return json.dumps({"error": error, "status": "failure"}).encode()
