"""A fast SMTP server for tests: keeps what it gets, counts it, and fails as its script says.

In a test: `with Sink() as sink: …`. As a process: `python -m tests.servers.sink --port 0` prints
`{"port": n}`; each line of JSON on its standard input sets fields of the script or, being
`"stats"`, is answered with the counts. For AUTH and STARTTLS: tests/servers/relay.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import ssl
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app import clock
from tests.servers.mailbox import Box, Mail
from tests.servers.script import DROP, SILENCE, Script

__all__ = ["DROP", "SILENCE", "Box", "Mail", "Script", "Sink"]

_END = b"\r\n.\r\n"
_ADDRESS = re.compile(rb":\s*<([^>]*)>")
_GOOD = {
    "CONNECT": "220 sink.test ESMTP",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 End data with <CR><LF>.<CR><LF>",
    "RSET": "250 2.0.0 Ok",
    "NOOP": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


class _Connection(asyncio.Protocol):
    """One client; commands are answered in order, also when they come in one packet."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self._script, self._box = sink, sink.script, sink.box
        self._buffer = bytearray()
        self._sender, self._recipients = "", list[str]()
        self._in_body = self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or play dead."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.open.add(transport)
        self._box.counts["connections"] += 1
        self._number = self._box.counts["connections"]
        if not self._script.black_hole:
            self._say("CONNECT", self._next("CONNECT") or _GOOD["CONNECT"])

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the client."""
        self._sink.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._box.counts["bytes"] += len(data)
        self._buffer += data
        self._work()

    def _work(self) -> None:
        while not self._waiting and not self._transport.is_closing():
            if not (self._body() if self._in_body else self._line()):
                return

    def _line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0 or self._script.black_hole:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._box.command(line)
        verb = line.partition(b" ")[0].upper().decode("ascii", "replace")
        self._answer(verb, self._next(verb) or self._good(verb, line), line)
        return True

    def _good(self, verb: str, line: bytes) -> str:
        """Return the answer to a command that the script says nothing of."""
        if verb in ("EHLO", "HELO"):
            return self._hello(verb)
        if verb == "RCPT":
            return self._recipient(_address(line))
        if verb == "DATA" and not self._recipients:
            return "554 5.5.1 No valid recipients"
        return _GOOD.get(verb, "502 5.5.1 Not implemented")

    def _hello(self, verb: str) -> str:
        sized = [f"SIZE {self._script.size}"] if self._script.size else []
        lines = ["sink.test", *self._script.extensions, *sized] if verb == "EHLO" else ["sink.test"]
        return "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])

    def _recipient(self, address: str) -> str:
        if self._script.greylist and address not in self._sink.seen:
            self._sink.seen.add(address)
            return "450 4.2.0 Greylisted, come again"
        return self._script.recipients.get(address, _GOOD["RCPT"])

    def _body(self) -> bool:
        if self._buffer.startswith(_END[2:]):  # a mail without a line
            body, taken = b"", len(_END) - 2
        else:
            end = self._buffer.find(_END)
            if end < 0:
                return False
            body, taken = bytes(self._buffer[: end + 2]), end + len(_END)
        del self._buffer[:taken]
        self._in_body = False
        self._finish(body[1:] if body.startswith(b".") else body)
        return True

    def _finish(self, stuffed: bytes) -> None:
        body = stuffed.replace(b"\r\n..", b"\r\n.")
        if self._script.size and len(body) > self._script.size:
            self._say("DOT", "552 5.3.4 Message too big")
            return
        number = self._box.counts["mails"] + 1
        reply = self._next("DOT") or f"250 2.0.0 Ok: queued as {number:08X}"
        unsaid = self._script.silent_taker and reply in (DROP, SILENCE)
        if reply.startswith("2") or unsaid:
            self._box.take(Mail(self._sender, tuple(self._recipients), body, self._number))
        self._say("DOT", reply)

    def _next(self, verb: str) -> str | None:
        left = self._script.once.get(verb)
        return left.pop(0) if left else self._script.replies.get(verb)

    def _answer(self, verb: str, reply: str, line: bytes) -> None:
        """Do what a command asks as far as the reply agrees to it, and say the reply."""
        if verb == "MAIL":
            self._sender, self._recipients = _address(line), []
        elif verb == "RCPT" and reply.startswith("2"):
            self._recipients.append(_address(line))
        elif verb == "DATA" and reply.startswith("354"):
            self._in_body = True
            if self._script.deaf:
                self._transport.pause_reading()
        self._say(verb, reply)

    def _say(self, verb: str, reply: str) -> None:
        delay = self._script.delays.get(verb, 0.0)
        if not delay and not self._script.drip:
            self._write(reply)
            return
        self._waiting = True
        loop = asyncio.get_running_loop()
        if self._script.drip:
            loop.call_later(delay, self._drip, f"{reply}\r\n".encode())
        else:
            loop.call_later(delay, self._late, reply)

    def _late(self, reply: str) -> None:
        self._waiting = False
        self._write(reply)
        self._work()

    def _drip(self, left: bytes) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(left[:1])
        if len(left) > 1:
            asyncio.get_running_loop().call_later(self._script.drip, self._drip, left[1:])
        else:
            self._waiting = False
            self._work()

    def _write(self, reply: str) -> None:
        if reply == DROP:
            self._transport.abort()
        elif reply != SILENCE:
            self._transport.write(reply.encode() + b"\r\n")
            if reply.startswith(("221", "421")):
                self._transport.close()


def _address(line: bytes) -> str:
    match = _ADDRESS.search(line)
    return match[1].decode("utf-8", "replace") if match else ""


class Sink:
    """A server on loopback in a thread of its own; `context`: TLS from the start."""

    def __init__(
        self,
        script: Script | None = None,
        box: Box | None = None,
        context: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.script, self.box = script or Script(), box or Box()
        self.port, self._context = port, context
        self.seen: set[str] = set()
        self.open: set[asyncio.Transport] = set()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    @property
    def mails(self) -> list[Mail]:
        """The mails so far."""
        return self.box.mails

    @property
    def connections(self) -> int:
        """The connections so far."""
        return self.box.counts["connections"]

    def wait_for(self, mails: int, seconds: float = 20.0) -> None:
        """Wait until so many mails have come."""
        deadline = clock.monotonic() + seconds
        while self.box.counts["mails"] < mails:
            assert clock.monotonic() < deadline, f"{self.box.counts} after {seconds} s"
            clock.sleep(0.01)

    async def serve(self) -> None:
        """Serve until `__exit__`."""
        loop = self._loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self.port, ssl=self._context, backlog=1000
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        for _ in range(5):  # who has connected is still taken: asyncio leaks it otherwise
            for transport in list(self.open):
                transport.abort()
            await asyncio.sleep(0.002)
        server.close()

    def __enter__(self) -> Sink:
        self._thread.start()
        assert self._ready.wait(10), "the sink did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


def _obey(sink: Sink, lines: Iterator[str]) -> None:
    """Set the script from lines of JSON; answer "stats" with the counts."""
    for line in lines:
        wanted: Any = json.loads(line)
        if wanted == "stats":
            print(json.dumps(sink.box.counts), flush=True)
            continue
        known = asdict(Script())
        for name, value in wanted.items():
            assert name in known, f"a script has no field {name}"
            setattr(sink.script, name, value)


def main() -> None:
    """Run as a process until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--spool", type=Path)
    arguments = parser.parse_args()
    if arguments.spool:
        arguments.spool.mkdir(parents=True, exist_ok=True)
    with Sink(box=Box(arguments.spool, keep=False), port=arguments.port) as sink:
        print(json.dumps({"port": sink.port}), flush=True)
        _obey(sink, iter(sys.stdin))


if __name__ == "__main__":
    main()
