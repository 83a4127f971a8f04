"""What the run directory holds: the lock of the one supervisor and a pid file per process.

The pid files are for people and tests: a disk that is full or read-only stops nobody for them.
"""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

from app.errors import DataDirInUse

log = logging.getLogger(__name__)


def lock(run_dir: Path) -> int:
    """Take the lock of the data directory and return its descriptor; raises DataDirInUse.

    The lock ends with the last process that holds the descriptor: children must close it.
    """
    descriptor = os.open(run_dir / "supervisor.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        owner = _read(run_dir / "supervisor.pid")
        raise DataDirInUse(
            f"Tocsin is already running on {run_dir.parent}{owner and f' (pid {owner})'}. "
            "Stop it first, or set TOCSIN_DATA_DIR to another directory."
        ) from error
    return descriptor


def write_pid(run_dir: Path, name: str, pid: int) -> None:
    """Write `name`.pid in one step, so that a reader never sees half a number."""
    draft = run_dir / f".{name}.pid"
    try:
        draft.write_text(f"{pid}\n", encoding="ascii")
        draft.replace(run_dir / f"{name}.pid")
    except OSError as error:
        log.warning("The pid file of %s (pid %d) cannot be written: %s", name, pid, error)


def remove_pid(run_dir: Path, name: str) -> None:
    """Remove `name`.pid if it is there."""
    _remove(run_dir / f"{name}.pid")


def remove_pids(run_dir: Path) -> None:
    """Remove every pid file, also those that a killed supervisor left behind."""
    for path in run_dir.glob("*.pid"):
        _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("The pid file %s cannot be removed: %s", path, error)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        return ""
