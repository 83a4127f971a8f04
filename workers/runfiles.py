"""What the run directory holds: the lock of the one supervisor and a pid file per process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from app.errors import DataDirInUse


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
    draft.write_text(f"{pid}\n", encoding="ascii")
    draft.replace(run_dir / f"{name}.pid")


def remove_pid(run_dir: Path, name: str) -> None:
    """Remove `name`.pid if it is there."""
    (run_dir / f"{name}.pid").unlink(missing_ok=True)


def remove_pids(run_dir: Path) -> None:
    """Remove every pid file, also those that a killed supervisor left behind."""
    for path in run_dir.glob("*.pid"):
        path.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        return ""
