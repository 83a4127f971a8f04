"""The socket under an HTTP connection: one deadline for everything, and a bound for what comes."""

from __future__ import annotations

import io
import select
import socket
from contextlib import suppress

from app import clock
from app.channels.http_reader import MOST_RECEIVED, Reader, Source

# An attempt may take up to 300 s; nobody is waited for as long as that in one go.
SILENCE_SECONDS = 15.0


class Wire:
    """As much of a socket as http.client needs; TimeoutError once `deadline` (monotonic) is over.

    A socket's own time-out begins anew with every byte; here it is set from what is left. What is
    sent is collected, as http.client sends head and body apart, and goes out with `flush`.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.deadline, self.sock = deadline, sock
        self._out: list[bytes] = []
        self._source = Source(self.in_time)
        self._reader = Reader(self._source)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def begin(self, deadline: float) -> None:
        """Let another attempt begin."""
        self.deadline, self._source.left = deadline, MOST_RECEIVED
        self._out.clear()

    def sendall(self, data: bytes) -> None:
        """Take what is to be sent."""
        self._out.append(data)

    def flush(self) -> None:
        """Send what was taken; piece by piece, as TLS would give each its own time-out."""
        rest = memoryview(b"".join(self._out))
        while rest:
            rest = rest[self.in_time().send(rest) :]

    def makefile(self, *_args: object, **_named: object) -> io.BufferedReader:
        """Return the reader, always the same: what it has read ahead belongs to the next answer."""
        return self._reader

    def idle(self) -> bool:
        """Whether nothing has come that nobody asked for, not even the end."""
        return not self._reader.ahead() and not self._poll.poll(0)

    def in_time(self) -> socket.socket:
        """Return the socket, which waits no longer than the deadline allows."""
        left = self.deadline - clock.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(min(left, SILENCE_SECONDS))
        return self.sock

    def close(self) -> None:
        """Do nothing: http.client closes before the body is read."""

    def end(self) -> None:
        """Close, once or twice."""
        with suppress(OSError):
            self.sock.close()
