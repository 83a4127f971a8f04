"""Numbered points at which a fault test may kill this very process (kill -9), and nothing else.

`TOCSIN_FAILPOINT=<number>:<hit>` ends the process at the given hit of the point, once per data
directory: the file `run/failpoint-<number>.fired` remembers it, so that the restarted process goes
on. Several are separated by commas. Without the variable a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from threading import Lock

POINTS = {
    1: "intake: rows written, before the commit",
    2: "intake: after the commit, before the wake-up",
    3: "intake: after the wake-up, before the answer",
    4: "worker: after the lane was claimed, before its deliveries are",
    5: "worker: after deliveries were claimed, before the attempt row",
    6: "worker: after the attempt row, before connecting",
    7: "worker: connected, before the message is sent",
    8: "worker: message sent, before the verdict is stored",
    9: "worker: verdict stored, before the lane is given back",
    10: "pass: run claimed, before mail is made due",
    11: "pass: mail made due, before the run is closed",
    12: "drain: before the successor is queued",
    13: "scheduler: periodic jobs reconciled, before the loop",
    14: "smtp: body sent, before the final dot is answered",
    15: "job: rows of a chunk written, before the commit",
    16: "job: after the commit of a chunk",
    17: "test: its attempt row written, before connecting",
}

_armed: dict[int, int] = {}
_hits: Counter[int] = Counter()
_run_dir = Path()
_lock = Lock()


def arm(spec: str | None, run_dir: Path) -> None:
    """Arm the points named by `spec` ("8:3": the third hit of point 8); raises ValueError."""
    global _run_dir  # noqa: PLW0603 - one switch per process, set once at its start
    wanted = {}
    for part in spec.split(",") if spec else ():
        number, _, hit = part.partition(":")
        if int(number) not in POINTS or int(hit or 1) < 1:
            raise ValueError(f"there is no fail point {part}")
        wanted[int(number)] = int(hit or 1)
    _armed.clear()
    _armed.update(wanted)
    _run_dir = run_dir


def reach(number: int) -> None:
    """Die here with SIGKILL if this hit of point `number` is an armed one."""
    if not _armed or number not in _armed:
        return
    with _lock:  # hits count over all threads of this process
        _hits[number] += 1
        if _hits[number] != _armed[number]:
            return
        fired = _run_dir / f"failpoint-{number}.fired"
        try:
            os.close(os.open(fired, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
