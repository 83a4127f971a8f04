"""What one process has used, as Linux tells it (proc(5))."""

from __future__ import annotations

import os
import re
from pathlib import Path

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.M)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that it has used since it was started."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def peak_mebibytes(pid: int) -> float:
    """Return the most memory that it has held at any time."""
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    assert found
    return int(found[1]) / 1024
