"""Disks that become full, and files that may not be written, on a machine that nobody prepared."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.harness.product import Product, children

MEGABYTE = 1_000_000
SMALL_DISK = 24 * MEGABYTE
# Beyond it nothing can be written; the log of a test stays well below.
LONGEST_FILE = 64_000


class Disk(Protocol):
    """A disk that a test can fill and empty while the product runs."""

    def fill(self) -> None:
        """Let it be full from now on."""

    def empty(self) -> None:
        """Let there be room again."""


class FileLimit:
    """Makes writes fail by a limit on the size of files (RLIMIT_FSIZE): needs no privilege."""

    def __init__(self, product: Product) -> None:
        self._product = product

    def fill(self) -> None:
        """Let no process of the product but Redis write beyond the limit."""
        self._limit(LONGEST_FILE)

    def empty(self) -> None:
        """Lift the limit, also from processes that were started under it."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        redis = self._product.pid("redis-1")
        for pid in (self._product.supervisor, *children(self._product.supervisor)):
            if pid != redis:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class SmallDisk:
    """A file system of a few megabytes in memory, really full; Redis and pid files meet it too."""

    def __init__(self, directory: Path) -> None:
        self._filler = directory / "filler"

    def fill(self) -> None:
        """Take all that is free."""
        with self._filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    def empty(self) -> None:
        """Give it back."""
        self._filler.unlink()


class RealDisk:
    """The disk that the product stands on, and a floor that a big file takes it below."""

    def __init__(self, product: Product) -> None:
        self._filler = product.data.parent / "filler"
        found = os.statvfs(product.data.parent)
        free = found.f_bavail * found.f_frsize
        # What others write and remove in the meantime must not matter.
        self._spare = min(1_000 * MEGABYTE, free // 8)
        self.floor = (free - self._spare) // MEGABYTE

    def fill(self) -> None:
        """Take the disk below the floor."""
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 2 * self._spare)

    def empty(self) -> None:
        """Give it back."""
        self._filler.unlink()

    def __enter__(self) -> RealDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self._filler.unlink(missing_ok=True)


@contextmanager
def file_limit(product: Product) -> Iterator[Disk]:
    """Give the product a disk that is full by a limit."""
    yield FileLimit(product)


@contextmanager
def small_disk(product: Product) -> Iterator[Disk]:
    """Give the product, which has not been started, a disk of its own; needs `may_mount()`."""
    product.data.mkdir(mode=0o700)
    _mount(product.data).check_returncode()
    try:
        yield SmallDisk(product.data)
    finally:
        _unmount(product.data)


def _mount(directory: Path) -> subprocess.CompletedProcess[bytes]:
    options = f"size={SMALL_DISK},mode=700"
    return _run("mount", "-t", "tmpfs", "-o", options, "tocsin-tests", str(directory))


def _unmount(directory: Path) -> None:
    # Lazily, as after a failed test the product still runs on it.
    _run("umount", "--lazy", str(directory)).check_returncode()


def _run(*command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, check=False)


@cache
def may_mount() -> bool:
    """Say whether this machine lets us mount."""
    directory = Path(tempfile.mkdtemp(prefix="tcs-"))
    try:
        if not shutil.which("mount") or _mount(directory).returncode:
            return False
        _unmount(directory)
        return True
    finally:
        directory.rmdir()


def full_disks() -> dict[str, Callable[[Product], AbstractContextManager[Disk]]]:
    """Return the ways to a full disk that this machine permits; one needs nothing at all."""
    ways: dict[str, Callable[[Product], AbstractContextManager[Disk]]] = {"limit": file_limit}
    return ways | ({"small disk": small_disk} if may_mount() else {})


def bound_by_modes() -> list[str]:
    """Return what to put before a command so that the modes of files bind it, as root as well."""
    # Root may still read everything: the code and the environment may be those of another user.
    return ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
