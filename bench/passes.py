"""The dispatch pass over a full installation, with intake going on meanwhile and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from threading import Event
from typing import TypeVar

from bench import load
from bench.ask import Ask, asking
from bench.clock import monotonic, sleep
from bench.load import Measured
from bench.processes import cpu_seconds
from bench.product import Installation, Product
from bench.reports import failure, key, request
from bench.rows import Bench, Figures
from bench.sink import Sink

R = TypeVar("R")
CLIENTS = 8
WARMING = 400
MEANWHILE, AFTERWARDS = 20_000, 10_000  # reports, more than are sent in the time
SENDING_SECONDS = 3.0
LOOK_SECONDS = 0.02
QUIET_SECONDS = 2.0
FAILURES = 10  # of each integration
SILENT = 10  # every so manieth integration is


def dispatch(bench: Bench, size: int) -> Figures:
    """Run a pass over `size` registrations with failures of each; then watch the sending."""
    installation = bench.install()
    with Sink() as sink:
        _fill(installation, size, sink.port)
        with installation.running() as product, asking(product.port) as ask:
            sleep(QUIET_SECONDS)
            reports = list(_reports(WARMING + MEANWHILE + AFTERWARDS, size))
            load.run(product.port, reports[:WARMING], CLIENTS)
            meanwhile = _Stream(reports[WARMING : WARMING + MEANWHILE])
            worker = product.processes()["worker-1"]
            used = cpu_seconds(worker)
            seconds, beside = _beside(product, meanwhile, lambda: _pass(ask, size))
            used = cpu_seconds(worker) - used
            before = len(sink.times())
            afterwards = _Stream(reports[WARMING + MEANWHILE :])
            _, sending = _beside(product, afterwards, lambda: sleep(SENDING_SECONDS))
            mails = len(sink.times()) - before
    assert mails > 0, "nothing is sent"
    return {
        "all": seconds,
        "p99": beside.percentile(0.99),
        "rate": beside.rate,
        "cpu": used * 1000 / size,
        "p99Sending": sending.percentile(0.99),
        "rateSending": sending.rate,
        "mails": mails / SENDING_SECONDS,
    }


def _fill(installation: Installation, size: int, port: int) -> None:
    installation.apart("bench.waiting", size, port)


def _reports(count: int, integrations: int) -> Iterator[bytes]:
    """Yield reports over all integrations that are held: no mail comes of them."""
    for number in range(count):
        document = dict(failure(number))
        if "entityId" in document:
            document["entityId"] = f"new-{number}"
        yield request("POST", f"/integrations/{key(number % integrations)}/failures", document)


def _pass(ask: Ask, size: int) -> float:
    """Ask for a pass and return the seconds until it is done; it must have told everybody."""
    began = monotonic()
    run = ask("POST", "/dispatch-runs", {})["id"]
    while (document := ask("GET", f"/dispatch-runs/{run}"))["state"] != "done":
        assert document["state"] == "running", document
        sleep(LOOK_SECONDS)
    seconds = monotonic() - began
    assert document["notified"] == size + size // SILENT, document
    return seconds


class _Stream(list[bytes]):
    """Requests that are sent until it is told to end."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        super().__init__(requests)
        self.ended = Event()

    def __iter__(self) -> Iterator[bytes]:
        return takewhile(lambda _: not self.ended.is_set(), super().__iter__())


def _beside(product: Product, stream: _Stream, work: Callable[[], R]) -> tuple[R, Measured]:
    """Do `work` while the stream flows; return its result, and what the reports took."""
    with ThreadPoolExecutor(1) as aside:
        flowing = aside.submit(load.run, product.port, stream, CLIENTS)
        try:
            result = work()
        finally:
            stream.ended.set()
        return result, flowing.result()
