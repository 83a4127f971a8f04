"""Webhooks over the HTTP interface: systems at a sink, routes to them, events, and an audit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tests.harness.client import Api, Document
from tests.harness.fixtures import calm
from tests.harness.product import Product
from tests.harness.waiting import PATIENCE, eventually
from tests.servers.http_sink import HttpSink

# How many requests may be in flight when the process dies that sends them.
MOST_CONNECTIONS = 4
NONE: Document = {"policy": "None"}
ALWAYS_2: Document = {"policy": "Always", "retryDelay": 2}


def bounded(number: int, delay: int) -> Document:
    """Return the policy Bounded."""
    return {"policy": "Bounded", "retryNumber": number, "retryDelay": delay}


def allow_loopback(product: Product) -> Product:
    """Let a product that has not been started post to where the sinks are."""
    product.environ["TOCSIN_OUTBOUND_ALLOW"] = "127.0.0.0/8"
    return product


def hooking(installed: Product) -> Product:
    """Start a product that may post to sinks, without a dispatch pass by itself."""
    return calm(allow_loopback(installed))


def hook(api: Api, name: str, sink: HttpSink, **options: Any) -> None:
    """Make a webhook system at a sink."""
    body = {"name": name, "kind": "webhook", "options": {"url": sink.url} | options}
    api.sure("POST", "/systems", body).of(201)


def route(api: Api, policy: Document, rows: Mapping[str, str]) -> None:
    """Let each system get the errors of its source: `rows` are system names by source."""
    cells = [
        {"source": source, "severity": "error", "systems": [name]} for source, name in rows.items()
    ]
    told = [
        {"source": source, "system": name, "retryPolicy": policy} for source, name in rows.items()
    ]
    api.sure("PUT", "/routes", {"cells": cells, "subscriptions": told}).of(200)


def hook_metrics(api: Api, sink: HttpSink, policy: Document) -> None:
    """Let the sink get the errors of Metrics."""
    hook(api, "Hook", sink, timeout=3)
    route(api, policy, {"metrics": "Hook"})


def event(title: str, source: str = "metrics") -> Document:
    """Return an event whose title is its id too, so that it may be reported again."""
    return {"id": title, "source": source, "severity": "error", "title": title}


def report(api: Api, titles: Sequence[str], source: str = "metrics") -> None:
    """Report at once, each surely and once."""
    api.sure("POST", "/events", [event(title, source) for title in titles]).of(202)


def numbered(begin: int, end: int) -> list[str]:
    """Return titles that sort as they are reported."""
    return [f"event {number:05}" for number in range(begin, end)]


def open_deliveries(api: Api) -> list[Document]:
    """Return what is still to be sent."""
    return [row for row in api.items("/deliveries") if row["state"] not in _FINAL]


_FINAL = ("delivered", "dead", "cancelled")


def flushed(sink: HttpSink) -> list[str]:
    """Return the titles in the order of their first arrival, without the one that began it.

    That one is the oldest, or the oldest of those that were new.
    """
    return list(dict.fromkeys(sink.titles))[1:]


def wait_for(sink: HttpSink, titles: Sequence[str], seconds: float = PATIENCE) -> None:
    """Wait until all of these were taken by the sink."""

    def look() -> bool:
        return len(sink.requests) >= len(titles) and set(titles) <= set(sink.titles)

    try:
        eventually(f"{len(titles)} events", look, seconds)
    except AssertionError:
        print("missing:", sorted(set(titles) - set(sink.titles))[:10])  # pytest shows it
        raise


def assert_delivered_once(api: Api, sink: HttpSink, titles: Sequence[str], doubles: int) -> None:
    """Fail unless each has one delivery, which is delivered, and arrived; doubles have one id."""
    eventually("nothing open", lambda: not open_deliveries(api))
    rows = api.items("/deliveries")
    assert Counter(row["subject"] for row in rows) == Counter(titles)
    assert {row["state"] for row in rows} == {"delivered"}
    ids = defaultdict(set)
    times: Counter[str] = Counter()
    for request in sink.taken:
        (title,) = request.titles
        ids[title].add(request.headers["webhook-id"])
        times[title] += 1
    assert ids.keys() == set(titles), "said to be sent, but did not arrive"
    assert all(len(each) == 1 for each in ids.values()), "a double with another id"
    double = {title: number for title, number in times.items() if number > 1}
    assert sum(number - 1 for number in double.values()) <= doubles, double


def assert_oldest_first(titles: Sequence[str], late: int = MOST_CONNECTIONS - 1) -> None:
    """Fail when one arrived before more older ones than connections can be busy with."""
    missing = sorted(titles)
    for title in titles:
        place = missing.index(title)
        assert place <= late, f"{title} came before {missing[:place]}"
        del missing[place]


def failed_attempts(api: Api) -> int:
    """Return how many attempts were not answered with success, over all that is delivered."""
    rows = api.items("/deliveries")
    return sum(int(row["attemptCount"]) for row in rows) - len(rows)
