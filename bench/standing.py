"""What the product costs before anybody uses it: its memory when idle, and its start."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.clock import sleep
from bench.intake import fill
from bench.product import MAKE_RUN, SUPERVISOR, Installation
from bench.rows import Bench, Figures

IDLE_SECONDS = 20.0
STARTS = 5
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.M)


def memory(bench: Bench, size: int) -> Figures:
    """Sum the memory of all processes, shared pages in part, after 20 idle seconds."""
    installation = bench.install()
    fill(installation, size)
    with installation.running() as product:
        sleep(IDLE_SECONDS)
        each = {name: _megabytes(pid) for name, pid in product.processes().items()}
    return {"sum": sum(each.values()), **each}


def _megabytes(pid: int) -> float:
    found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024 / 1e6


def start(bench: Bench, size: int) -> Figures:
    """Start a filled installation again and again, from exec to every check of /readyz well."""
    installation = bench.install()
    fill(installation, size)
    commands: Mapping[str, Sequence[str]] = {"make": MAKE_RUN, "supervisor": SUPERVISOR}
    _started(installation, MAKE_RUN)  # the first one compiles, installs and warms the caches
    return {
        name: median(_started(installation, command) for _ in range(STARTS))
        for name, command in commands.items()
    }


def _started(installation: Installation, command: Sequence[str]) -> float:
    with installation.running(command) as product:
        return product.ready_seconds
