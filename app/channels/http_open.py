"""Opening an HTTP connection: stage by stage, the same for sending and for a check."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from dataclasses import replace

from app import clock
from app.channels import tls
from app.channels.base import ChannelError
from app.channels.dialling import Dialler, dial
from app.channels.http_breaks import broken, unproxied
from app.channels.http_endpoint import Endpoint, is_local
from app.channels.http_wire import SILENCE_SECONDS, Wire

# Name and connection; the rest has as long as the TimeOut.
CONNECT_SECONDS = 5.0
_OK = 200


def open_wire(endpoint: Endpoint, dialler: Dialler, deadline: float) -> Wire:
    """Return a connection that is ready for requests, before `deadline`; raises ChannelError."""
    opening = Opening(endpoint, dialler, deadline)
    try:
        for _, stage in opening.stages():
            stage()
    except ChannelError:
        opening.end()
        raise
    return opening.wire


class Opening:
    """A connection on its way, and what was learnt so far; the stages raise ChannelError."""

    def __init__(self, endpoint: Endpoint, dialler: Dialler, deadline: float) -> None:
        self.endpoint, self.addresses = endpoint, list[str]()
        self.host, self.port = endpoint.proxy or (endpoint.host, endpoint.port)
        self._dialler = replace(dialler, field="Proxy") if endpoint.proxy else dialler
        self._target, self._deadline = dialler, deadline
        self._soon = min(deadline, clock.monotonic() + CONNECT_SECONDS)
        self._wire: Wire | None = None

    def stages(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the stages by name, in the order in which they must be gone through."""
        return [("dns", self._resolve), ("tcp", self._dial), ("tls", self._encrypt)]

    @property
    def wire(self) -> Wire:
        """The connection, once it was dialled."""
        assert self._wire is not None  # noqa: S101 - the stages come in order
        return self._wire

    def end(self) -> None:
        """Close what was opened."""
        if self._wire is not None:
            self._wire.end()

    def _resolve(self) -> None:
        endpoint = self.endpoint
        if endpoint.proxy and is_local(endpoint.host):
            # The proxy looks names up; an address is one wherever it is looked at.
            self._target.vetted(endpoint.host, endpoint.port, self._soon)
        self.addresses = self._dialler.vetted(self.host, self.port, self._soon)

    def _dial(self) -> None:
        sock = dial(self.addresses, self.host, self.port, self._soon)
        self._wire = Wire(sock, self._deadline)
        if self.endpoint.proxy and self.endpoint.encrypted:
            self._tunnel(sock)

    def _tunnel(self, sock: socket.socket) -> None:
        """Have the proxy connect to the endpoint."""
        wire, where = self.wire, self.endpoint.where
        connection = http.client.HTTPConnection(where)
        connection.auto_open, connection.sock = 0, wire
        try:
            connection.request("CONNECT", where, headers={"Host": where})
            wire.flush()
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise broken(f"the proxy {self.host}:{self.port}", error) from error
        if status != _OK:
            raise unproxied(f"{self.host}:{self.port}", where, status)
        self._wire = Wire(sock, self._deadline)

    def _encrypt(self) -> None:
        if self.endpoint.encrypted:
            sock, until = self.wire.sock, clock.monotonic() + SILENCE_SECONDS
            made = tls.context(self.endpoint.ca_pem, verify=self.endpoint.verify_tls)
            sock = tls.wrap(sock, made, self.endpoint.host, min(self._deadline, until))
            self._wire = Wire(sock, self._deadline)
