"""The lock file on which the writers of SQLite queue, over all processes of a data directory."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.clock import monotonic, sleep
from app.errors import StorageUnavailable

WAIT_SECONDS = 10.0
# A transaction is over in a few milliseconds: so long the lock is asked for again and again, which
# costs less than a thread.
SHORT_SECONDS, AGAIN_SECONDS = 0.015, 0.0004


class WriteLock:
    """One writer at a time over all processes of a data directory, with a bounded wait.

    A blocked flock(2) cannot be timed out, so a helper thread waits in it where that takes longer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mine = threading.Lock()
        self._file: tuple[int, int] | None = None
        self._helper: _Helper | None = None

    @contextmanager
    def held(self, timeout: float = WAIT_SECONDS) -> Iterator[None]:
        """Hold the lock; raises StorageUnavailable after `timeout` seconds of waiting."""
        deadline = monotonic() + timeout
        if not self._mine.acquire(timeout=timeout):
            raise StorageUnavailable("The database is busy: another writer holds it.")
        try:
            descriptor = self._locked(deadline)
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            self._mine.release()

    def _locked(self, deadline: float) -> int:
        try:
            descriptor = self._descriptor()
            if not self._taken_soon(descriptor, deadline):
                self._wait(descriptor, deadline)
        except OSError as error:
            raise StorageUnavailable(f"The write lock cannot be used: {error}") from error
        return descriptor

    def _descriptor(self) -> int:
        """Return this process's own open file; one inherited over a fork would share the lock."""
        if self._file is None or self._file[0] != os.getpid():
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
            self._file = (os.getpid(), os.open(self._path, flags, 0o600))
            self._helper = None
        return self._file[1]

    def _taken_soon(self, descriptor: int, deadline: float) -> bool:
        if self._helper is not None:
            return False
        end = min(monotonic() + SHORT_SECONDS, deadline)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if monotonic() >= end:
                    return False
                sleep(AGAIN_SECONDS)
            else:
                return True

    def _wait(self, descriptor: int, deadline: float) -> None:
        """Wait in a helper; one that is still there from a wait before is asked again."""
        if self._helper is None or not self._helper.asked_again():
            self._helper = _Helper(descriptor)
        if not self._helper.got(max(deadline - monotonic(), 0.0)):
            raise StorageUnavailable("The database is busy: another process holds its write lock.")
        self._helper = None


class _Helper:
    """A thread in a blocked flock; what it gets when nobody waits any more it gives back."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._guard, self._done = threading.Lock(), threading.Event()
        self._wanted = True
        threading.Thread(target=self._run, name="write-lock", daemon=True).start()

    def _run(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._guard:
            if not self._wanted:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._done.set()

    def asked_again(self) -> bool:
        """Want the lock once more; False where it has been given back already."""
        with self._guard:
            self._wanted = not self._done.is_set()
            return self._wanted

    def got(self, seconds: float) -> bool:
        """Wait for the lock; False after `seconds`, and then it is not wanted any more."""
        self._done.wait(seconds)
        with self._guard:
            self._wanted = self._done.is_set()
            return self._wanted
