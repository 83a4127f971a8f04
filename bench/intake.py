"""Intake: reports over HTTP, one a request, and the same function in batches without HTTP."""

from __future__ import annotations

import json

from bench import load
from bench.product import Installation
from bench.reports import HELD, INTEGRATIONS, failures, set_up
from bench.rows import Bench, Figures

FEW, MANY = 8, 64
WARMING = 200


def few_clients(bench: Bench, size: int) -> Figures:
    """Report one failure a request with 8 clients."""
    return _single(bench, size, FEW)


def many_clients(bench: Bench, size: int) -> Figures:
    """Report one failure a request with 64 clients, which share commits."""
    return _single(bench, size, MANY)


def _single(bench: Bench, size: int, clients: int) -> Figures:
    installation = bench.install()
    with installation.running() as product:
        # Nothing is sent, so that no server is needed behind the port.
        set_up(product.port, 25, INTEGRATIONS, failureCount=HELD)
        requests = failures(WARMING + size)
        load.run(product.port, requests[:WARMING], clients)
        before, used = installation.commits(), product.cpu_seconds()
        measured = load.run(product.port, requests[WARMING:], clients)
        used = product.cpu_seconds() - used
        commits = installation.commits() - before
    return {
        "rate": measured.rate,
        "p50": measured.percentile(0.5),
        "p99": measured.percentile(0.99),
        "shared": size / commits,
        "cpu": used * 1000 / size,
    }


def batches(bench: Bench, size: int) -> Figures:
    """Store reports in batches of 1,000, in one process and without HTTP."""
    return {"rate": size / fill(bench.install(), size)}


def fill(installation: Installation, size: int) -> float:
    """Store `size` reports in a process of its own; return the seconds of the storing."""
    said = installation.apart("bench.batches", size)
    seconds: float = json.loads(said.splitlines()[-1])
    return seconds
