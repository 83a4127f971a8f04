"""An HTTP server below http.server: it notes what comes byte for byte, and answers by a script.

`python -m tests.servers.http_script` prints what is posted to it.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.servers.raw import RawServer

_CHUNK = 65_536


@dataclass(frozen=True)
class Hit:
    """One request as it came; `connection` numbers the connections from 1 on."""

    line: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def document(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


Script = Callable[[Hit, socket.socket], bytes | None]


def answer(status: int, body: bytes = b"", **headers: object) -> bytes:
    """Return an answer as bytes; `Retry_After=1` is a header, one given as None is left out."""
    given = {"Content-Length": len(body), **headers}
    lines = [
        f"{name.replace('_', '-')}: {value}" for name, value in given.items() if value is not None
    ]
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode() + body


@dataclass
class HttpSink:
    """Answers 200, or what `script` returns for a request; None: the script has ended it all."""

    script: Script = lambda hit, client: answer(200, b"ok")
    context: ssl.SSLContext | None = None
    hits: list[Hit] = field(default_factory=list)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> HttpSink:
        self._server = RawServer(self._treat)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def _treat(self, client: socket.socket, done: threading.Event) -> None:
        with self.lock:
            self.connections += 1
            number = self.connections
        if self.context is not None:
            client = self.context.wrap_socket(client, server_side=True)
        with client:
            client.settimeout(20)
            kept = b""
            while not done.is_set():
                hit, kept = self._request(client, kept, number)
                if hit is None:
                    return
                with self.lock:
                    self.hits.append(hit)
                said = self.script(hit, client)
                if said is None:
                    return
                client.sendall(said)

    @staticmethod
    def _request(client: socket.socket, kept: bytes, number: int) -> tuple[Hit | None, bytes]:
        data = kept
        while b"\r\n\r\n" not in data:
            if not (more := client.recv(_CHUNK)):
                return None, b""
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
        }
        length = int(headers.get("content-length", "0"))
        while len(rest) < length:
            if not (more := client.recv(_CHUNK)):
                return None, b""
            rest += more
        return Hit(line, headers, rest[:length], number), rest[length:]


def main() -> None:
    """Serve on a free loopback port until Ctrl-C."""

    def printed(hit: Hit, client: socket.socket) -> bytes:
        print(f"\n{hit.line}\n{hit.body.decode(errors='replace')}", flush=True)
        return answer(200, b"ok")

    with HttpSink(printed) as sink:
        print(f"Waiting for messages on http://127.0.0.1:{sink.port}; Ctrl-C ends it.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
