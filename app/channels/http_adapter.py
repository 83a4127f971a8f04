"""The transport of requests, over kept connections that the guard has vetted."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import BaseAdapter

from app import clock
from app.channels.dialling import Dialler
from app.channels.http_faults import failed
from app.channels.http_socket import DeadlineSocket
from app.channels.http_wire import Target, connected, wire_of

MOST_BODY = 64 * 1024
BODY_SECONDS = 5.0
CUT = " (the answer was not read in full)"


@dataclass
class GuardedAdapter(BaseAdapter):
    """requests' transport over connections that the guard has vetted; follows no redirect.

    Nothing comes from the environment: no proxy, no netrc, no cookies.
    """

    dialler: Dialler
    target: Target
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def send(  # type: ignore[override]  # the deadline stands for requests' own arguments
        self, request: requests.PreparedRequest, *, deadline: float, **_ignored: Any
    ) -> requests.Response:
        """Send and read one answer before `deadline` (monotonic); raises ChannelError."""
        sent = False
        try:
            connection = self._sent(request, deadline)
            sent = True
            wire, answer = wire_of(connection), connection.getresponse()
            if wire.ended:
                # http.client takes a head that was cut for a whole one.
                raise http.client.RemoteDisconnected("the head of the answer was cut")
            return self._answer(wire, answer, request)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise failed(str(request.url), error, sent=sent) from error

    def _sent(
        self, request: requests.PreparedRequest, deadline: float
    ) -> http.client.HTTPConnection:
        """Send over the kept connection, or over a new one where that has ended meanwhile."""
        kept = self._kept()
        if kept is not None:
            try:
                return _put(kept, request, self.target, deadline)
            except (OSError, http.client.HTTPException):
                # Not sent in full, so that it was not taken: once more, over a new connection.
                self.close()
        self._connection = connected(self.dialler, self.target, deadline)
        return _put(self._connection, request, self.target, deadline)

    def _kept(self) -> http.client.HTTPConnection | None:
        kept = self._connection
        if kept is not None and (kept.sock is None or not wire_of(kept).quiet()):
            self.close()
        return self._connection

    def _answer(
        self,
        wire: DeadlineSocket,
        answer: http.client.HTTPResponse,
        request: requests.PreparedRequest,
    ) -> requests.Response:
        wire.deadline = min(wire.deadline, clock.monotonic() + BODY_SECONDS)
        response = requests.Response()
        response.status_code, response.url, response.request = answer.status, "", request
        response.headers.update({name.lower(): value for name, value in answer.getheaders()})
        response._content, whole = _body(answer)  # the documented way is a stream, and slower
        response.reason = "" if whole else CUT
        if not whole or answer.will_close:
            self.close()
        return response

    def close(self) -> None:
        """End the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _put(
    connection: http.client.HTTPConnection,
    request: requests.PreparedRequest,
    target: Target,
    deadline: float,
) -> http.client.HTTPConnection:
    wire = wire_of(connection)
    wire.deadline = deadline
    through = target.proxy is not None and target.scheme == "http"
    path = str(request.url) if through else request.path_url
    connection.request("POST", path, request.body, request.headers)
    wire.flush()
    return connection


def _body(answer: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """Return at most 64 KiB of the body, and whether that was all: the status counts anyway."""
    try:
        body = answer.read(MOST_BODY)
        # What a shorter body than was announced leaves is no error to http.client.
        return body, not answer.length and (answer.isclosed() or not answer.read(1))
    except (OSError, http.client.HTTPException, ValueError):
        return b"", False
