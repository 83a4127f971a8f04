"""Measures the rows, prints them as they come, and writes bench/results/<time>.json."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import table
from bench.clock import monotonic, now
from bench.databases import Postgresql, Sqlite
from bench.machine import facts
from bench.product import ROOT
from bench.rows import Bench, Row

RESULTS = ROOT / "bench" / "results"


def main() -> None:
    """Run the bench."""
    # So that a bench that is told to end stops what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    arguments = _arguments()
    began = monotonic()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL refuses to run as root and takes another user
        machine = facts(directory)
        database = Postgresql(directory) if arguments.database == "postgresql" else Sqlite()
        try:
            rows = _measure(Bench(directory, database), arguments.only)
        finally:
            database.stop()
    seconds = monotonic() - began
    result = {
        "at": now().isoformat(timespec="seconds"),
        "database": database.name,
        "seconds": round(seconds, 1),
        "machine": machine,
        "rows": rows,
    }
    print(f"\n{database.name}, {seconds:.0f} s, written to {_write(result)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    names = [row.name for row in table.ROWS]
    parser.add_argument("--only", action="append", choices=names, help="may be repeated")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    return parser.parse_args()


def _measure(bench: Bench, only: list[str] | None) -> list[Mapping[str, Any]]:
    print(table.head(), flush=True)
    result = []
    for row in table.ROWS:
        if only and row.name not in only:
            continue
        measured = _row(bench, row)
        result.append(measured)
        for line in table.lines(row, measured["full"], measured["tenth"]):
            print(line, flush=True)
    return result


def _row(bench: Bench, row: Row) -> Mapping[str, Any]:
    tenth = row.measure(bench, row.size // 10)
    full = row.measure(bench, row.size)
    return {
        "name": row.name,
        "size": row.size,
        "full": full,
        "tenth": tenth,
        "limits": {figure.key: figure.limit for figure in row.figures},
        "ratios": {
            figure.key: figure.ratio(full[figure.key], tenth[figure.key])
            for figure in row.figures
            if full[figure.key] and tenth[figure.key]
        },
    }


def _write(result: Mapping[str, Any]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now():%Y%m%dT%H%M%SZ}-{result['database']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path.relative_to(ROOT)


if __name__ == "__main__":
    main()
