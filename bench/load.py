"""Clients: keep-alive connections in one loop, each sends its next request when it has an answer.

One thread, prepared bytes and no library, so that the clients take little of the machine they share
with the server.
"""

from __future__ import annotations

import gc
import selectors
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.clock import monotonic

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Measured:
    """What a run took: seconds in all, and seconds of each request, shortest first."""

    seconds: float
    each: Sequence[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.each) / self.seconds

    def percentile(self, part: float) -> float:
        """Return the milliseconds that `part` of the requests stayed below."""
        return percentile(self.each, part) * 1000


def percentile(ordered: Sequence[float], part: float) -> float:
    """Return the value that `part` of the values, sorted, stay below."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


class _Client:
    """One connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0
        self._answer = b""
        self._size: int | None = None

    def send(self, request: bytes) -> None:
        """Begin the next request."""
        self._answer, self._size = b"", None
        self.began = monotonic()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take what has come; return whether the answer is complete. Stops the run unless 2xx."""
        data = self.socket.recv(65536)
        assert data, "the server closed a connection"
        self._answer += data
        if self._size is None:
            head, found, _ = self._answer.partition(b"\r\n\r\n")
            if not found:
                return False
            self._size = len(head) + 4 + _length(head)
        if len(self._answer) < self._size:
            return False
        assert self._answer.startswith(b"HTTP/1.1 2"), self._answer[:2000].decode()
        return True


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def run(port: int, requests: Sequence[bytes], clients: int) -> Measured:
    """Send all `requests` over `clients` connections at once; a refused one ends the bench."""
    everyone = [_Client(port) for _ in range(min(clients, len(requests)))]
    left = iter(requests)
    gc.disable()
    try:
        began = monotonic()
        each = sorted(_loop(everyone, left))
        return Measured(monotonic() - began, each)
    finally:
        gc.enable()
        for client in everyone:
            client.socket.close()


def _loop(everyone: Sequence[_Client], left: Iterator[bytes]) -> Iterator[float]:
    with selectors.DefaultSelector() as selector:
        for client in everyone:
            client.send(next(left))
            selector.register(client.socket, selectors.EVENT_READ, client)
        while selector.get_map():
            ready = selector.select(PATIENCE_SECONDS)
            assert ready, "the server does not answer any more"
            for key, _ in ready:
                client = key.data
                if not client.receive():
                    continue
                yield monotonic() - client.began
                request = next(left, None)
                if request is None:
                    selector.unregister(client.socket)
                else:
                    client.send(request)
