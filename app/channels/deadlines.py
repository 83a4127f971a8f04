"""What ends in time: calls that know no time-out, and a socket with one deadline for everything."""

from __future__ import annotations

import queue
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

from app import clock
from app.channels import tls

T = TypeVar("T")
_CHUNK = 65_536


def bounded(work: Callable[[], T], seconds: float) -> T:
    """Return what `work` returns; after `seconds` raise TimeoutError and leave it to itself.

    For calls that have no time-out of their own, such as getaddrinfo: a thread cannot be stopped.
    """
    answer: queue.SimpleQueue[tuple[T] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put((work(),))
        except Exception as error:  # handed over to the caller
            answer.put(error)

    Thread(target=run, name="bounded", daemon=True).start()
    try:
        found = answer.get(timeout=max(seconds, 0.001))
    except queue.Empty as error:
        raise TimeoutError from error
    if isinstance(found, Exception):
        raise found
    return found[0]


class Stream:
    """A connected socket, read by lines; each call raises TimeoutError once `deadline` is over.

    A socket's own time-out begins anew with every byte; here it is set from what is left. Other
    failures are OSError; the end of the stream is a ConnectionResetError.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.deadline, self._sock, self._buffer = deadline, sock, bytearray()

    @property
    def encrypted(self) -> bool:
        """Whether TLS is on."""
        return isinstance(self._sock, ssl.SSLSocket)

    @property
    def own_address(self) -> str:
        """The address of this end."""
        return str(self._sock.getsockname()[0]).partition("%")[0]

    @property
    def peer_address(self) -> str:
        """The address of the other end; nothing when that has gone already."""
        try:
            return str(self._sock.getpeername()[0]).partition("%")[0]
        except OSError:
            return ""

    @property
    def shown(self) -> tuple[str, bytes]:
        """The version of TLS and the other end's certificate (DER); empty without TLS."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return "", b""
        return self._sock.version() or "", self._sock.getpeercert(binary_form=True) or b""

    @property
    def unread(self) -> bool:
        """Whether something was received that nobody has read."""
        return bool(self._buffer)

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._in_time().sendall(data)

    def line(self, longest: int) -> bytes:
        """Return the next line without its end; ValueError when it is longer than `longest`."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > longest:
                raise ValueError("an endless line")
            chunk = self._in_time().recv(_CHUNK)
            if not chunk:
                raise ConnectionResetError
            self._buffer += chunk
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Turn to TLS, checked against `host`; raises ChannelError."""
        self._sock = tls.wrap(self._sock, context, host, self.deadline)

    def close(self) -> None:
        """Close, once or twice."""
        with suppress(OSError):
            self._sock.close()

    def _in_time(self) -> socket.socket:
        left = self.deadline - clock.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._sock
