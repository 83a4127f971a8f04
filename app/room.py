"""The room on the disk of the data: intake stops before it is gone, as sending needs a little."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from app.clock import monotonic
from app.errors import LowDisk

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
FRESH_SECONDS = 1.0


class Room:
    """What is free on one file system, looked at once a second at most; thread-safe.

    `floor` is in megabytes; 0: nothing is refused.
    """

    def __init__(self, path: Path, floor: int) -> None:
        self.floor = floor
        self._path = path
        self._free: int | None = None
        self._until = float("-inf")

    @property
    def free(self) -> int | None:
        """The megabytes that are free, at most a second old; None where nobody can tell."""
        now = monotonic()
        if now >= self._until:
            self._until = now + FRESH_SECONDS
            self._free = self._look()
        return self._free

    @property
    def low(self) -> bool:
        """Whether less is free than is kept."""
        free = self.free
        return free is not None and free < self.floor

    def _look(self) -> int | None:
        try:
            found = os.statvfs(self._path)
        except OSError as error:
            log.warning("The room on the disk of %s cannot be asked: %s", self._path, error)
            return None
        return found.f_bavail * found.f_frsize // MEGABYTE

    @property
    def sentence(self) -> str:
        """What is free, and what that means."""
        free = self.free
        if free is None:
            return "unknown, as its file system does not answer"
        if self.low:
            return f"{free:,} MB free, less than the {self.floor:,} MB that are kept for sending"
        return f"{free:,} MB free"

    def require(self) -> None:
        """Raise LowDisk where less is free than is kept."""
        if self.low:
            raise LowDisk(f"The disk is nearly full: {self.sentence}. No report is taken now.")
