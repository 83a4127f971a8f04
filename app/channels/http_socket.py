"""A socket as much as http.client uses one, with one deadline for everything."""

from __future__ import annotations

import io
import select
import socket
from typing import Any

from app import clock

READ_SECONDS = 15.0


class DeadlineSocket:
    """As much of a socket as http.client uses; a time-out of a read alone ends no dripping body."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self.deadline = sock, 0.0
        # Whether the other side has said that it sends no more.
        self.ended = False
        self._unsent: list[bytes] = []

    def in_time(self, longest: float | None = None) -> socket.socket:
        """Return the socket with its time-out set; raises TimeoutError once the time is over."""
        left = self.deadline - clock.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left if longest is None else min(left, longest))
        return self._sock

    def sendall(self, data: bytes) -> None:
        """Keep `data` for `flush`: head and body go out together."""
        self._unsent.append(data)

    def flush(self) -> None:
        """Send all that was kept."""
        data, self._unsent = b"".join(self._unsent), []
        self.in_time().sendall(data)

    def makefile(self, *_args: object, **_named: object) -> io.BufferedReader:
        """Return a reader of what comes."""
        return io.BufferedReader(Reader(self))

    def quiet(self) -> bool:
        """Whether nothing has come, not even the end: only then it can be used again."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close it."""
        self._sock.close()


class Reader(io.RawIOBase):
    """Reads a socket; each read ends with the deadline, or after a silence."""

    def __init__(self, wire: DeadlineSocket) -> None:
        self._wire = wire

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is."""
        count = self._wire.in_time(READ_SECONDS).recv_into(buffer)
        self._wire.ended = self._wire.ended or not count
        return count
