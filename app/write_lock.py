"""The lock file on which the writers of SQLite queue, over all processes of a data directory."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StorageUnavailable

WAIT_SECONDS = 10.0


class WriteLock:
    """One writer at a time over all processes of a data directory, with a bounded wait.

    A blocked flock(2) cannot be timed out, so a helper thread waits in it where it is contended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mine = threading.Lock()
        self._file: tuple[int, int] | None = None

    @contextmanager
    def held(self, timeout: float = WAIT_SECONDS) -> Iterator[None]:
        """Hold the lock; raises StorageUnavailable after `timeout` seconds of waiting."""
        if not self._mine.acquire(timeout=timeout):
            raise StorageUnavailable("The database is busy: another writer holds it.")
        try:
            descriptor = self._descriptor()
            self._lock(descriptor, timeout)
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            self._mine.release()

    def _descriptor(self) -> int:
        """Return this process's own open file; one inherited over a fork would share the lock."""
        if self._file is None or self._file[0] != os.getpid():
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
            self._file = (os.getpid(), os.open(self._path, flags, 0o600))
        return self._file[1]

    def _lock(self, descriptor: int, timeout: float) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait(timeout)

    def _wait(self, timeout: float) -> None:
        """Wait in a helper; what it gets too late it gives back, on a descriptor of its own."""
        assert self._file is not None  # noqa: S101 - set by _descriptor just before
        descriptor, got, late = self._file[1], threading.Event(), threading.Event()
        guard = threading.Lock()

        def wait() -> None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with guard:
                got.set()
                if late.is_set():
                    os.close(descriptor)

        threading.Thread(target=wait, name="write-lock", daemon=True).start()
        got.wait(timeout)
        with guard:
            if got.is_set():
                return
            late.set()
            self._file = None
        raise StorageUnavailable("The database is busy: another process holds its write lock.")
