"""The nightly prune with intake going on: how fast it is, and how long a report may wait for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count, islice

from bench import load
from bench.clock import monotonic
from bench.product import Installation, Product
from bench.reports import HELD, INTEGRATIONS, failure, key, request, set_up
from bench.rows import Bench, Figures

# Few, so that a report waits for the prune, and not for the reports of others.
CLIENTS = 2
WARMING = 400
PART = 50
AFTERWARDS_SECONDS = 4.0
_DONE = re.compile(r"Pruned in ([\d.]+) s: (.+)")
_NUMBER = re.compile(r"([\d,]+) [a-z]")


def beside_intake(bench: Bench, size: int) -> Figures:
    """Prune `size` failures with their mails, keys and traces, and report all the while."""
    installation = bench.install()
    reports = _reports()
    with installation.running() as product:
        set_up(product.port, 25, INTEGRATIONS, failureCount=HELD)
        load.run(product.port, list(islice(reports, WARMING)), CLIENTS)
        before = len(_pruned(installation))
        _age(installation, size)
        meanwhile = _while(product, reports, lambda: len(_pruned(installation)) == before)
        end = monotonic() + AFTERWARDS_SECONDS
        afterwards = _while(product, reports, lambda: monotonic() < end)
    seconds, rows = _pruned(installation)[-1]
    assert rows > size, "not all of it was pruned"
    return {
        "rate": rows / seconds,
        "longest": meanwhile[-1] * 1000,
        "p99": load.percentile(meanwhile, 0.99) * 1000,
        "longestAfter": afterwards[-1] * 1000,
        "p99After": load.percentile(afterwards, 0.99) * 1000,
    }


def _reports() -> Iterator[bytes]:
    for number in count():
        path = f"/integrations/{key(number % INTEGRATIONS)}/failures"
        yield request("POST", path, failure(number))


def _while(product: Product, reports: Iterator[bytes], goes_on: Callable[[], bool]) -> list[float]:
    """Report while something goes on; returns the seconds of each report, shortest first."""
    each: list[float] = []
    while goes_on():
        each += load.run(product.port, list(islice(reports, PART)), CLIENTS).each
    return sorted(each)


def _age(installation: Installation, size: int) -> None:
    installation.apart("bench.ageing", size)


def _pruned(installation: Installation) -> list[tuple[float, int]]:
    """Return the seconds and the rows of each prune so far, as the log tells them."""
    log = (installation.data_dir / "bench.log").read_text(encoding="utf-8")
    return [(float(took), _sum(rows)) for took, rows in _DONE.findall(log)]


def _sum(rows: str) -> int:
    return sum(int(number.replace(",", "")) for number in _NUMBER.findall(rows))
