"""Unix sockets under any data directory, however long its path is."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

LONGEST = 107


def reachable(socket: Path) -> str:
    """Return a path of at most 107 bytes (the limit of Linux) that leads to `socket`.

    A longer one goes through a descriptor of its directory, which this process keeps open; it is
    good in this process and in those that it forks.
    """
    if len(os.fsencode(socket)) <= LONGEST:
        return str(socket)
    return f"/proc/self/fd/{_directory(socket.parent)}/{socket.name}"


@cache
def _directory(path: Path) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
