"""An HTTP endpoint that only notes when each message came; a process of its own.

`python -m bench.hook_sink` prints its port as JSON; each line of JSON on its standard input is
answered with one: "times" (monotonic, events, path of each message), "count" (events), "forget", or
{"status": n, "delay": seconds} for all that follow.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from bench.clock import monotonic
from bench.listener import Listener

_TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_EVENT = b'"severityReceived"'


class _Script:
    """What came, and how it is answered."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, int, str]] = []
        self.events = 0
        self.answer, self.delay = _TAKEN, 0.0
        self.refused = 0


class _Connection(asyncio.Protocol):
    def __init__(self, script: _Script) -> None:
        self._script, self._left = script, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._left += data
        while (end := self._left.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._left[:end])
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._left) < end + 4 + length:
                return
            body = bytes(self._left[end + 4 : end + 4 + length])
            del self._left[: end + 4 + length]
            self._note(head, body)

    def _note(self, head: bytes, body: bytes) -> None:
        script = self._script
        if script.answer is _TAKEN:
            events = body.count(_EVENT)
            path = head.split(b" ", 2)[1].decode()
            script.messages.append((monotonic(), events, path))
            script.events += events
        else:
            script.refused += 1
        if script.delay:
            asyncio.get_running_loop().call_later(script.delay, self._say, script.answer)
        else:
            self._say(script.answer)

    def _say(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def _serve(script: _Script) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(script), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, _obey, script)


def _obey(script: _Script) -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        answer: Any = {"times": script.messages, "refused": script.refused}.get(
            asked if isinstance(asked, str) else "", script.events
        )
        if asked == "forget":
            script.messages, script.events, script.refused = [], 0, 0
        elif isinstance(asked, dict):
            status = asked.get("status", 200)
            other = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
            script.answer = _TAKEN if status == 200 else other
            script.delay = asked.get("delay", 0.0)
        print(json.dumps(answer), flush=True)


class HookSink(Listener):
    """The endpoint seen from the bench."""

    module = "bench.hook_sink"

    def messages(self) -> list[tuple[float, int, str]]:
        """Return when each message that was taken came, with how many events, and where to."""
        return [(at, events, path) for at, events, path in self.ask("times")]


if __name__ == "__main__":
    asyncio.run(_serve(_Script()))
