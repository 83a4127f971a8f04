"""Servers below any protocol: silent, dripping, dropping, endless, garbage."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class RawServer:
    """Takes connections on loopback and does one thing to each."""

    def __init__(self, treat: Callable[[socket.socket, threading.Event], None]) -> None:
        self._treat, self._done = treat, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self._done.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                self._treat(client, self._done)
            except OSError:
                return

    def stop(self) -> None:
        """End every connection."""
        self._done.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)


def _silent(client: socket.socket, done: threading.Event) -> None:
    done.wait()


def _dropping(client: socket.socket, done: threading.Event) -> None:
    client.shutdown(socket.SHUT_RDWR)


def _dripping(client: socket.socket, done: threading.Event) -> None:
    while not done.wait(0.1):
        client.send(b"2")


def _endless(client: socket.socket, done: threading.Event) -> None:
    while not done.is_set():
        client.sendall(b"250-x\r\n" * 1000)


def _garbage(client: socket.socket, done: threading.Event) -> None:
    client.sendall(b"\x00\xff\xfe\x1b[2J garbage\r\n\r\n\n" + bytes(range(256)) + b"\n")
    done.wait()


STALLS = {"silent": _silent, "dripping": _dripping}
BREAKS = {"dropping": _dropping, "endless": _endless, "garbage": _garbage}


@contextmanager
def raw(treat: Callable[[socket.socket, threading.Event], None]) -> Iterator[RawServer]:
    """Run a raw server."""
    server = RawServer(treat)
    try:
        yield server
    finally:
        server.stop()
