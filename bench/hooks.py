"""Events and webhooks: intake, from the 202 to the endpoint, bursts, batches, an outage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench import load, single
from bench.clock import monotonic, sleep
from bench.hook_sink import HookSink
from bench.product import KEY, Product
from bench.reports import request
from bench.rows import Bench, Figures

CLIENTS, AN_ARRAY = 8, 1_000
QUIET_SECONDS, WAIT_SECONDS = 2.0, 120.0
DOWN_SECONDS, RETRY_DELAY = 60.0, 10
SLOW_SECONDS, SLOW_SYSTEMS = 0.1, 20
# Reports beside a black hole, and how long its first time-out takes.
BESIDE, HOLE_SECONDS = 200, 12.0
_TEXT = "The volume /var of node-7 is at 97 %; it grows by 2 GB an hour. " * 4


def event(number: int, source: str = "metrics") -> dict[str, object]:
    """Return an event of some 500 bytes with an id of its own."""
    return {
        "id": f"event-{number:08}",
        "source": source,
        "severity": "error",
        "title": f"Disk full on node-{number % 100}",
        "description": _TEXT,
        "node": f"node-{number % 100}",
        "labels": {"cluster": "eu-west", "rack": "r1"},
    }


@contextmanager
def _running(bench: Bench, workers: int = 1) -> Iterator[tuple[HookSink, Product]]:
    """Start the endpoint and the product, which may reach loopback."""
    made = bench.install()
    more = {"TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8", "TOCSIN_WORKERS": str(workers)}
    made = replace(made, environ={**made.environ, **more})
    with HookSink() as sink, made.running() as product:
        yield sink, product


def _configure(
    product: Product, port: int, systems: int = 1, size: int = 0, status: str = "running"
) -> None:
    """Make webhooks and route the errors of metrics to all of them."""
    names = [f"Hook {number}" for number in range(systems)]
    batch = {"batchNotify": {"size": size, "timeWindow": 5}} if size else {}
    for number, name in enumerate(names):
        options = {"url": f"http://127.0.0.1:{port}/{number}", "timeout": 10, **batch}
        body = {"name": name, "kind": "webhook", "options": options, "status": status}
        load.run(product.port, [request("POST", "/systems", body)], 1)
    cell = {"source": "metrics", "severity": "error", "systems": names}
    document = {"cells": [cell], "subscriptions": []}
    load.run(product.port, [request("PUT", "/routes", document)], 1)


def _resume(product: Product, systems: int = 1) -> float:
    """Let the systems send; returns when."""
    began = monotonic()
    asks = [request("PATCH", f"/systems/Hook%20{n}", {"status": "running"}) for n in range(systems)]
    load.run(product.port, asks, 1)
    return began


def _arrays(count: int, first: int = 0, source: str = "metrics") -> list[bytes]:
    end = first + count
    return [
        _array([event(number, source) for number in range(at, min(at + AN_ARRAY, end))])
        for at in range(first, end, AN_ARRAY)
    ]


def _array(events: list[dict[str, object]]) -> bytes:
    body = json.dumps(events).encode()
    head = (
        "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def singles(bench: Bench, size: int) -> Figures:
    """Report `size` events one a request, one route each; the system is paused."""
    with _running(bench) as (sink, product):
        _configure(product, sink.port, status="paused")
        requests = [request("POST", "/events", event(number)) for number in range(size)]
        used = product.cpu_seconds()
        measured = load.run(product.port, requests, CLIENTS)
        used = product.cpu_seconds() - used
    return {
        "rate": measured.rate,
        "p50": measured.percentile(0.5),
        "p99": measured.percentile(0.99),
        "cpu": used * 1000 / size,
    }


def arrays(bench: Bench, size: int) -> Figures:
    """Report `size` events in arrays of 1,000, one route each; the system is paused."""
    with _running(bench) as (sink, product):
        _configure(product, sink.port, status="paused")
        requests = _arrays(size)
        began = monotonic()
        load.run(product.port, requests, 2)
        took = monotonic() - began
    return {"rate": size / took}


def after_202(bench: Bench, size: int) -> Figures:
    """Report `size` events one after another on an idle server; pair each with its message."""
    with _running(bench) as (sink, product):
        _configure(product, sink.port)
        list(single.report(product, _events(-20, 0)))
        sink.wait(20, WAIT_SECONDS)
        sleep(QUIET_SECONDS)
        return single.figures(_waits(product, sink, 0, size))


def _waits(product: Product, sink: HookSink, first: int, size: int) -> list[float]:
    """Report `size` events one after another; return how long each took to come."""
    sink.forget()
    answered = list(single.report(product, _events(first, first + size)))
    sink.wait(size, WAIT_SECONDS)
    return single.waits(answered, [at for at, _, _ in sink.messages()])


def _events(first: int, end: int) -> Iterator[tuple[str, dict[str, object]]]:
    return (("/events", event(number)) for number in range(first, end))


def burst(bench: Bench, size: int) -> Figures:
    """Let `size` messages wait for one system, resume it, look at the first and the last."""
    return _burst(bench, size, 1, 0)


def burst_of_eight(bench: Bench, size: int) -> Figures:
    """The same, an eighth of them for each of eight systems."""
    return _burst(bench, size, 8, 0)


def burst_in_batches(bench: Bench, size: int) -> Figures:
    """The same with batch notify 100."""
    return _burst(bench, size, 1, 100)


def _burst(bench: Bench, size: int, systems: int, batch: int) -> Figures:
    with _running(bench) as (sink, product):
        _configure(product, sink.port, systems, batch, status="paused")
        load.run(product.port, _arrays(size // systems), 1)
        sleep(QUIET_SECONDS)
        used = product.cpu_seconds()
        began = _resume(product, systems)
        sink.wait(size // systems * systems, WAIT_SECONDS)
        used = product.cpu_seconds() - used
        messages = sink.messages()
    told = sum(events for _, events, _ in messages)
    assert told == size // systems * systems, f"{told} events came instead of {size}"
    times = [at for at, _, _ in messages]
    return {
        "rate": told / max(times[-1] - times[0], 0.001),
        "first": (times[0] - began) * 1000,
        "cpu": used * 1000 / size,
    }


def black_hole(bench: Bench, size: int) -> Figures:
    """Let `size` messages wait for two endpoints that never answer, beside one that does."""
    with _running(bench) as (sink, product), HookSink() as hole:
        hole.ask({"delay": 3600.0})
        _configure(product, sink.port)
        names = ["Hole 1", "Hole 2"]
        options = {"url": f"http://127.0.0.1:{hole.port}/", "timeout": 10}
        made = [{"name": name, "kind": "webhook", "options": options} for name in names]
        cells = [
            {"source": "metrics", "severity": "error", "systems": ["Hook 0"]},
            {"source": "backups", "severity": "error", "systems": names},
        ]
        asks = [request("POST", "/systems", body) for body in made]
        asks.append(request("PUT", "/routes", {"cells": cells, "subscriptions": []}))
        load.run(product.port, asks, 1)
        _waits(product, sink, 0, 20)
        quiet = _waits(product, sink, 1_000, BESIDE)
        load.run(product.port, _arrays(size // 2, 10_000, "backups"), 1)
        sleep(HOLE_SECONDS)
        loaded = _waits(product, sink, 2_000, BESIDE)
    before, after = (load.percentile(waited, 0.95) * 1000 for waited in (quiet, loaded))
    return {"slower": (after / before - 1) * 100, "p95": after, "quiet": before}


def slow(bench: Bench, size: int) -> Figures:
    """Endpoints that take 100 ms, `size` messages to 20 systems, 2 workers."""
    with _running(bench, workers=2) as (sink, product):
        _configure(product, sink.port, SLOW_SYSTEMS, status="paused")
        sink.ask({"delay": SLOW_SECONDS})
        load.run(product.port, _arrays(size // SLOW_SYSTEMS), 1)
        sleep(QUIET_SECONDS)
        _resume(product, SLOW_SYSTEMS)
        sink.wait(size, WAIT_SECONDS)
        times = [at for at, _, _ in sink.messages()]
    assert len(times) == size, f"{len(times)} messages came instead of {size}"
    return {"rate": size / (times[-1] - times[0])}


def outage(bench: Bench, size: int) -> Figures:
    """The endpoint answers 503 for 60 s with `size` stored, then it is well again."""
    with _running(bench) as (sink, product):
        _configure(product, sink.port)
        sink.ask({"status": 503})
        began = monotonic()
        load.run(product.port, _arrays(size), 1)
        sleep(max(0.0, DOWN_SECONDS - (monotonic() - began)))
        refused = sink.ask("refused")
        sink.ask({"status": 200})
        # What is out of timed retries goes with the success of a later event (S2).
        back = monotonic()
        load.run(product.port, [request("POST", "/events", event(size))], 1)
        sink.wait(size + 1, WAIT_SECONDS)
        times = [at for at, _, _ in sink.messages()]
    return {
        "arrived": float(len(times) - 1),
        "seconds": times[-1] - back,
        "failed": float(refused),
    }
