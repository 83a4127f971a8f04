"""A mail server that only notes when each mail was complete; a process of its own.

`python -m bench.sink` prints its port as JSON; a line "count", "times" or "forget" on its standard
input is answered with one line of JSON. Times are those of the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from bench.clock import monotonic
from bench.listener import Listener

_END = b"\r\n.\r\n"
_REPLIES = {
    b"EHLO": b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    b"DATA": b"354 Go on\r\n",
    b"QUIT": b"221 Bye\r\n",
}


class _Connection(asyncio.Protocol):
    """One client: commands in whatever packets they come, one answer for each."""

    def __init__(self, times: list[float]) -> None:
        self._times = times
        self._left, self._in_body = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink.test\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer all that is complete."""
        self._left += data
        replies = b""
        while self._left:
            end = _END if self._in_body else b"\r\n"
            done, found, rest = self._left.partition(end)
            if not found:
                break
            self._left = rest
            replies += self._taken() if self._in_body else self._reply(done)
        if replies:
            self._transport.write(replies)

    def _taken(self) -> bytes:
        self._times.append(monotonic())
        self._in_body = False
        return b"250 Ok\r\n"

    def _reply(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        self._in_body = verb == b"DATA"
        return _REPLIES.get(verb, b"250 Ok\r\n")


async def _serve(times: list[float]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(times), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, _obey, times)


def _obey(times: list[float]) -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        answer: Any = sorted(times) if asked == "times" else len(times)
        if asked == "forget":
            times.clear()
        print(json.dumps(answer), flush=True)


class Sink(Listener):
    """The sink seen from the bench."""

    module = "bench.sink"

    def times(self) -> list[float]:
        """Return when each mail was complete."""
        result: list[float] = self.ask("times")
        return result


if __name__ == "__main__":
    asyncio.run(_serve([]))
