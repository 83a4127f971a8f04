"""Reading HTTP answers: bounded in time and size, and never a line or a head that was cut."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Callable
from typing import Any

# The heads and the body of one answer with its chunks; of a body 64 KiB are read.
MOST_RECEIVED = 512 * 1024


class TooMuch(http.client.HTTPException):
    """The other side sends more than an answer may have."""


class Source(io.RawIOBase):
    """Reads the socket; `dry`: only what was read ahead is there."""

    def __init__(self, in_time: Callable[[], socket.socket]) -> None:
        self._in_time, self.left, self.dry = in_time, MOST_RECEIVED, False

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Fill `buffer` with what comes; raises TimeoutError, OSError, TooMuch."""
        if self.dry:
            return None
        if self.left <= 0:
            raise TooMuch("an endless answer")
        got = self._in_time().recv_into(buffer)
        self.left -= got
        return got


class Reader(io.BufferedReader):
    """What http.client reads from: a line that was cut is no line, and nobody closes it."""

    def readline(self, limit: int | None = -1, /) -> bytes:
        """Return the next line; raises RemoteDisconnected when it has no end."""
        line = super().readline(limit)
        if len(line) != limit and not line.endswith(b"\n"):
            raise http.client.RemoteDisconnected("closed in mid-line" if line else "closed")
        return line

    def ahead(self) -> bool:
        """Return whether something was read ahead."""
        source: Any = self.raw
        source.dry = True
        try:
            return bool(self.peek(1))
        finally:
            source.dry = False

    def close(self) -> None:
        """Do nothing: an answer closes it when its body was read."""
