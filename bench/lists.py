"""The lists at size: how long the services take for a page, by filter, by text, and in groups."""

from __future__ import annotations

import json
import subprocess
import sys

from bench.product import ROOT
from bench.rows import Bench, Figures


def reads(bench: Bench, size: int) -> Figures:
    """Make `size` failures and read them; the worst 95th percentile of each sort of read."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.listed", str(size)],
        cwd=ROOT,
        env=bench.install().environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(done.stderr, done.stdout, file=sys.stderr)
    each = json.loads(done.stdout[done.stdout.index('{"list"') :])
    grouped = {name: p95 for name, (_, p95) in each.items() if name.startswith(("count", "groups"))}
    pages = {name: p95 for name, (_, p95) in each.items() if name not in grouped}
    typed = {name: p95 for name, p95 in pages.items() if name.startswith(("q ", "message"))}
    filtered = max(p95 for name, p95 in pages.items() if name not in typed)
    return {"page": filtered, "search": max(typed.values()), "other": max(grouped.values())}
