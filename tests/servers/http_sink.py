"""An HTTP endpoint for tests: keeps what it gets, and answers as its script says.

    with HttpSink() as sink:
        sink.script = lambda request: 503
        ... sink.requests

A script returns a status, the bytes of a whole answer, or a Manner. As a process:
`python -m tests.servers.http_sink --port 0` prints `{"port": n}` and answers 200 to everything; a
line `{"status": n}` on its standard input changes that, and `"stats"` is answered with the counts.
With `--show` it prints what it gets, for people.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from app import clock


@dataclass(frozen=True)
class Received:
    """One request as it came; `connection` counts the connections, `at` is monotonic."""

    at: float
    connection: int
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def titles(self) -> list[str]:
        """What its events say."""
        return [event["title"] for event in self.document["events"]]


@dataclass(frozen=True)
class Manner:
    """How to answer: `data` after `wait` seconds, then "keep", "close", "reset" or "hang"."""

    data: bytes = b""
    wait: float = 0.0
    then: str = "keep"
    drip: float = 0.0
    endless: bytes = b""


Answer = int | bytes | Manner
Script = Callable[[Received], Answer]


def answer(status: int, body: bytes = b"ok", **headers: str) -> bytes:
    """Return a whole answer; an underscore in a header's name is a hyphen."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + body


_OK = answer(200)


@dataclass
class HttpSink:
    """Listens on loopback while it is entered."""

    script: Script = lambda _request: 200
    tls: ssl.SSLContext | None = None
    port: int = 0
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    keep: bool = True
    counts: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> HttpSink:
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The URL of the sink, with a query that must be in no error."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/in?key=canary-query"

    @property
    def titles(self) -> list[str]:
        """The titles of all events that were answered with 2XX, in order."""
        return [title for request in self.taken for title in request.titles]

    @property
    def taken(self) -> list[Received]:
        """The requests that were answered with 2XX."""
        return [one for one in self.requests if self.counts[f"took {id(one)}"]]

    @contextmanager
    def away(self) -> Iterator[None]:
        """Be down: connections are refused, those that are open end."""
        self._call(self._close)
        try:
            yield
        finally:
            self._call(self._listen)

    def down(self) -> None:
        """Be down until `up`."""
        self._call(self._close)

    def up(self) -> None:
        """Listen again, on the same port."""
        self._call(self._listen)

    def _call(self, work: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self.port, ssl=self.tls, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._open:
            for transport in list(self._open):
                transport.abort()
            await asyncio.sleep(0)
        # What an ended transport has still to do.
        for _ in range(3):
            await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """One client; requests are answered in order."""

    def __init__(self, sink: HttpSink) -> None:
        self._sink, self._buffer = sink, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.connections += 1
        self._number = self._sink.connections
        self._sink._open.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._sink._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._next()) is not None:
            if self._sink.keep:
                self._sink.requests.append(request)
            self._sink.counts["requests"] += 1
            self._answer(request, self._sink.script(request))

    def _next(self) -> Received | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *rest = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)
        }
        length = int(headers.get("content-length", "0"))
        if len(self._buffer) < end + 4 + length:
            return None
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        return Received(clock.monotonic(), self._number, first.split(" ")[1], headers, body)

    def _answer(self, request: Received, said: Answer) -> None:
        if isinstance(said, int):
            said = _OK if said == 200 else answer(said)
        manner = Manner(said) if isinstance(said, bytes) else said
        if manner.data[9:10] == b"2" and self._sink.keep:
            self._sink.counts[f"took {id(request)}"] = 1
        if manner == Manner(manner.data):
            self._transport.write(manner.data)
            return
        task = asyncio.ensure_future(_slowly(self._transport, manner))
        self._sink._tasks.add(task)
        task.add_done_callback(self._sink._tasks.discard)


async def _slowly(transport: asyncio.Transport, manner: Manner) -> None:
    await asyncio.sleep(manner.wait)
    if manner.drip:
        for byte in manner.data:
            if transport.is_closing():
                return
            transport.write(bytes([byte]))
            await asyncio.sleep(manner.drip)
    else:
        transport.write(manner.data)
    while manner.endless and not transport.is_closing():
        transport.write(manner.endless)
        await asyncio.sleep(0)
    if manner.then == "close":
        transport.close()
    elif manner.then == "reset":
        reset(transport)


def reset(transport: asyncio.Transport) -> None:
    """End a connection with RST."""
    sock = transport.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    sink = HttpSink(port=given.port, keep=False)
    status = [200]
    times: list[tuple[float, int]] = []

    def note(request: Received) -> int:
        times.append((request.at, request.body.count(b'"title"')))
        if given.show:
            headers = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
            print(f"POST {request.path}\n{headers}\n\n{request.body.decode()}\n", flush=True)
        return status[0]

    sink.script = note
    with sink:
        print(json.dumps({"port": sink.port}), flush=True)
        for line in sys.stdin:
            said = json.loads(line)
            if said == "stats":
                events = sum(count for _, count in times)
                told = {"requests": len(times), "events": events, "connections": sink.connections}
                if times:
                    told |= {"first": times[0][0], "last": times[-1][0]}  # type: ignore[dict-item]
                print(json.dumps(told), flush=True)
            elif said == "times":
                print(json.dumps([at for at, _ in times]), flush=True)
            elif said == "forget":
                times.clear()
                print("{}", flush=True)
            else:
                status[0] = said["status"]


if __name__ == "__main__":
    main()
