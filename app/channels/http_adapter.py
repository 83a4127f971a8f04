"""The transport of requests over connections that the guard has vetted, one kept for many."""

from __future__ import annotations

import http.client
from typing import Any

from requests import PreparedRequest
from requests.adapters import BaseAdapter

from app import clock
from app.channels.dialling import Dialler
from app.channels.http_breaks import broken
from app.channels.http_endpoint import Endpoint
from app.channels.http_open import open_wire
from app.channels.http_reply import BROKEN, Reply, body, reply
from app.channels.http_wire import Wire

_SWITCHING, _FINAL = 101, 200
BODY_SECONDS = 5.0


class GuardedAdapter(BaseAdapter):
    """A transport adapter of requests for one endpoint; one user at a time.

    Nothing comes from the environment, no redirect is followed, nothing is decompressed, and the
    endpoint decides about proxy and certificate. `where` is what sentences call it.
    """

    def __init__(self, endpoint: Endpoint, dialler: Dialler, where: str) -> None:
        super().__init__()
        self._endpoint, self._dialler, self._where = endpoint, dialler, where
        self._wire: Wire | None = None
        self._connection = http.client.HTTPConnection(endpoint.where)
        self._absolute = bool(endpoint.proxy) and not endpoint.encrypted

    def send(self, request: PreparedRequest, *_more: Any, timeout: Any = 30.0, **_rest: Any) -> Any:
        """Return the Reply to `request`, at most `timeout` seconds after now; raises ChannelError.

        The time-out is for all of it, from the name to the last byte. A request that did not go
        out whole over a kept connection goes out over a new one; nothing else is tried again.
        """
        deadline = clock.monotonic() + timeout
        kept = self.connect(deadline)
        unsent = self._write(request)
        if unsent is not None and kept and not isinstance(unsent, TimeoutError):
            self.close()
            self.connect(deadline)
            unsent = self._write(request)
        try:
            return self._read(request, unsent)
        except BROKEN as error:
            self.close()
            sent, reads = unsent is None, request.method == "GET"
            raise broken(self._where, unsent or error, sent=sent, reads=reads) from error

    def connect(self, deadline: float) -> bool:
        """Be connected; return whether it was so already. Raises ChannelError."""
        if self._wire is not None and not self._wire.idle():
            self.close()
        kept = self._wire is not None
        if self._wire is None:
            self._wire = open_wire(self._endpoint, self._dialler, deadline)
            self._connection = http.client.HTTPConnection(self._endpoint.where)
            self._connection.auto_open = 0
        self._wire.begin(deadline)
        return kept

    def _write(self, request: PreparedRequest) -> OSError | None:
        """Send the request; return what came in between."""
        assert self._wire is not None  # noqa: S101 - connected just now
        self._connection.sock = self._wire
        target = str(request.url) if self._absolute else request.path_url
        headers: Any = request.headers
        self._connection.request(str(request.method), target, request.body, headers)
        try:
            self._wire.flush()
        except OSError as error:
            return error
        return None

    def _read(self, request: PreparedRequest, unsent: OSError | None) -> Reply:
        """Read the answer, which may come early to a request that was not taken whole."""
        if isinstance(unsent, TimeoutError):
            raise unsent
        answer = self._connection.getresponse()
        while answer.status < _FINAL and answer.status != _SWITCHING:
            answer.close()
            answer = http.client.HTTPResponse(self._wire, method=request.method)  # type: ignore[arg-type]
            answer.begin()
        assert self._wire is not None  # noqa: S101 - it was written to
        # The status has decided; a lane does not wait for more than a few seconds for the rest.
        self._wire.deadline = min(self._wire.deadline, clock.monotonic() + BODY_SECONDS)
        content, whole = body(answer)
        answer.close()
        if unsent or not whole or answer.will_close or answer.status < _FINAL:
            self.close()
        return reply(request, answer, content, whole=whole)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._wire is not None:
            self._wire.end()
            self._wire = None
