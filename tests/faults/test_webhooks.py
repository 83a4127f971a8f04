"""Webhook endpoints that are away, refuse or hang: what waits arrives once, the oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from app import clock
from tests.harness.client import Api, Document
from tests.harness.hooks import (
    ALWAYS_2,
    NONE,
    assert_delivered_once,
    assert_oldest_first,
    bounded,
    event,
    failed_attempts,
    flushed,
    hook,
    hook_metrics,
    hooking,
    numbered,
    open_deliveries,
    report,
    route,
    wait_for,
)
from tests.harness.product import Product
from tests.harness.rounds import rounds
from tests.harness.waiting import eventually, steadily
from tests.servers.http_sink import HttpSink, Manner, Received

RETRY_DELAY = 2
MOST_FAILED = 100
AT_ONCE = 31


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """An endpoint that takes everything."""
    with HttpSink() as endpoint:
        yield endpoint


def _nothing_arrives(sink: HttpSink, seconds: float) -> None:
    steadily("silence", lambda: not sink.counts["requests"] or not sink.taken, seconds)


@pytest.mark.parametrize("how", ["down", "503"])
def test_an_endpoint_that_was_away_gets_everything_once_and_the_oldest_first(
    installed: Product, sink: HttpSink, how: str
) -> None:
    api = hooking(installed).api
    hook_metrics(api, sink, bounded(3, RETRY_DELAY))
    titles, batches, away = numbered(0, rounds(100, 1_000)), 10, rounds(6, 60)

    if how == "down":
        sink.down()
    else:
        sink.script = lambda _: 503
    size = len(titles) // batches
    for batch in range(batches):
        report(api, titles[batch * size : (batch + 1) * size])
        _nothing_arrives(sink, away / batches)
    if how == "down":
        sink.up()
    else:
        sink.script = lambda _: 200
    report(api, ["later"])

    wait_for(sink, [*titles, "later"], RETRY_DELAY + 5)
    assert_delivered_once(api, sink, [*titles, "later"], doubles=0)
    assert_oldest_first(flushed(sink))
    failed = failed_attempts(api)
    assert 1 <= failed <= MOST_FAILED
    if how == "503":
        assert len(sink.requests) - len(sink.taken) == failed
    installed.check()


def test_none_makes_two_attempts_ten_seconds_apart(installed: Product, sink: HttpSink) -> None:
    api = hooking(installed).api
    hook_metrics(api, sink, NONE)
    sink.script = lambda _: 500

    report(api, ["one"])

    (dead,) = eventually("its end", lambda: api.items("/deliveries", state="dead"))
    assert (dead["reason"], dead["attemptCount"]) == ("exhausted", 2)
    first, second = (request.at for request in sink.requests)
    assert 9.9 <= second - first <= 12
    steadily("two attempts", lambda: len(sink.requests) == 2, 3)
    # It is dead: a later success does not bring it back.
    sink.script = lambda _: 200
    report(api, ["two"])
    wait_for(sink, ["two"])
    eventually("nothing open", lambda: not open_deliveries(api))
    assert sink.titles == ["two"]
    installed.check()


def test_bounded_makes_its_retries_and_stores_until_a_later_success(
    installed: Product, sink: HttpSink
) -> None:
    api = hooking(installed).api
    hook_metrics(api, sink, bounded(2, 1))
    sink.script = lambda _: 500

    report(api, ["one"])

    (stored,) = eventually("it is stored", lambda: api.items("/deliveries", state="stored"))
    assert stored["attemptCount"] == 3
    times = [request.at for request in sink.requests]
    assert all(0.9 <= b - a <= 3 for a, b in pairwise(times))
    steadily("three attempts", lambda: len(sink.requests) == 3, 3)
    sink.script = lambda _: 200
    # A sink that is well again is not asked by itself ...
    steadily("three attempts", lambda: len(sink.requests) == 3, 2)
    # ... but told with the next event.
    report(api, ["two"])
    wait_for(sink, ["one", "two"], 5)
    assert sink.titles == ["two", "one"]
    assert len({request.headers["webhook-id"] for request in sink.requests}) == 2
    assert_delivered_once(api, sink, ["one", "two"], doubles=0)
    installed.check()


@pytest.mark.parametrize("policy", [bounded(100, RETRY_DELAY), ALWAYS_2], ids=["Bounded", "Always"])
def test_a_black_hole_costs_two_connections_a_delay_and_no_time_of_others(
    installed: Product, sink: HttpSink, policy: Document
) -> None:
    api = hooking(installed).api
    titles, window = numbered(0, rounds(1_000, 10_000)), 8
    others = [f"other {number}" for number in range(4)]
    with HttpSink() as other:
        hook(api, "Hook", sink, timeout=3)
        hook(api, "Other", other)
        route(api, policy, {"metrics": "Hook", "serviceChecks": "Other"})
        sink.script = lambda _: Manner(then="hang")

        for begin in range(0, len(titles), 1_000):
            report(api, titles[begin : begin + 1_000])
        eventually("retrying", lambda: _states(api)["metrics"] == "retrying")
        # What was begun before the first of them failed.
        began = eventually("the first round", lambda: _round(api) and clock.monotonic())
        connections = sink.connections

        slowest = 0.0
        for number, title in enumerate(others):
            reported = clock.monotonic()
            report(api, [title], "serviceChecks")
            wait_for(other, others[: number + 1], 2)
            slowest = max(slowest, other.requests[-1].at - reported)
            clock.sleep(max(0.0, began + window * (number + 1) / len(others) - clock.monotonic()))

        assert slowest <= 2
        assert sink.connections - connections <= 2 * window / RETRY_DELAY
        assert _most_within(sink.requests, began, RETRY_DELAY) <= 2
        assert sink.connections > connections, "it is not tried any more"
        assert _states(api) == {"metrics": "retrying", "serviceChecks": "normal"}
        # It is well again: all goes out, though no event comes.
        sink.script = lambda _: 200
        wait_for(sink, titles, 3 + RETRY_DELAY + 5 + len(titles) / 100)
        eventually("nothing open", lambda: not api.items("/lanes", state="retrying"))
        assert_oldest_first(flushed(sink))
    installed.check()


def _states(api: Api) -> dict[str, str]:
    return {lane["row"]: lane["state"] for lane in api.items("/lanes")}


def _round(api: Api) -> int:
    return max(int(lane["round"]) for lane in api.items("/lanes"))


def _most_within(requests: list[Received], since: float, seconds: float) -> int:
    """Return how many requests at most began within so many seconds."""
    times = [request.at for request in requests if request.at >= since]
    return max(sum(a <= b < a + seconds for b in times) for a in times)


def test_a_retry_survives_an_emptied_redis_and_the_death_of_its_worker(
    installed: Product, sink: HttpSink
) -> None:
    delay = 4
    api = hooking(installed).api
    hook_metrics(api, sink, bounded(3, delay))
    sink.script = lambda _: 503
    for _ in range(rounds(1, 5)):
        sink.requests.clear()
        sink.script = lambda _: 503
        title = f"at {clock.monotonic()}"
        report(api, [title])
        eventually("an attempt", lambda: sink.requests)
        eventually("retrying", lambda: api.items("/lanes")[0]["state"] == "retrying")

        before = installed.kill("worker-1")
        with installed.redis() as redis:
            redis.flushall()
        sink.script = lambda _: 200
        installed.restarted("worker-1", before)

        wait_for(sink, [title], delay + 20)
        first, second = (request.at for request in sink.requests)
        assert delay - 0.1 <= second - first <= delay + 20
        eventually("nothing open", lambda: not open_deliveries(api))
    installed.check()


def test_parallel_reports_with_one_id_are_one_event_and_one_delivery(
    installed: Product, sink: HttpSink
) -> None:
    api = hooking(installed).api
    hook_metrics(api, sink, bounded(3, RETRY_DELAY))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [
            pool.submit(api.ask, "POST", "/api/v1/events", event("one")) for _ in range(AT_ONCE)
        ]
    answers = [future.result().of(202) for future in asked]

    assert sum(answer["accepted"] for answer in answers) == 1
    assert sum(answer["duplicates"] for answer in answers) == AT_ONCE - 1
    assert len({answer["events"][0]["id"] for answer in answers}) == 1
    wait_for(sink, ["one"])
    assert_delivered_once(api, sink, ["one"], doubles=0)
    assert len(api.items("/events")) == 1
    steadily("one request", lambda: len(sink.requests) == 1, 1)
    installed.check()
