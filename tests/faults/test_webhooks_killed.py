"""Kill -9 of what posts webhooks: nothing is lost, and only what was in flight arrives twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.harness.client import Api
from tests.harness.hooks import (
    MOST_CONNECTIONS,
    allow_loopback,
    assert_delivered_once,
    assert_oldest_first,
    bounded,
    flushed,
    hook_metrics,
    hooking,
    numbered,
    open_deliveries,
    report,
    wait_for,
)
from tests.harness.product import Product
from tests.harness.rounds import EVERYTHING, rounds
from tests.harness.waiting import PATIENCE, eventually, grows, steadily
from tests.servers.http_sink import HttpSink, Manner, Script, answer

RETRY_DELAY = 2
SLOWLY = Manner(answer(200), wait=0.02)
# The process that dies, of those that an event on its way to a webhook meets.
POINTS = {
    1: "web",
    2: "web",
    3: "web",
    4: "worker",
    5: "worker",
    6: "worker",
    7: "worker",
    8: "worker",
    9: "worker",
    12: "worker",
    13: "scheduler",
}
# Those of one run: a message may lose its owner twice, the third time it is quarantined.
TOGETHER = ((1, 4, 6), (2, 5, 7), (3, 9, 13), (8, 12))
OF_A_ROUND, MOST_ROUNDS = 3, 3
# More hits than one round can have.
MOST_HITS = 60


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """An endpoint that takes everything."""
    with HttpSink() as endpoint:
        yield endpoint


@pytest.mark.parametrize(
    "names",
    [["worker-1"], ["web-1", "web-2"], ["scheduler-1"], ["redis-1"]],
    ids=["worker", "web", "scheduler", "redis"],
)
def test_kills_while_an_endpoint_is_away_and_while_it_is_told_lose_nothing(
    installed: Product, sink: HttpSink, names: list[str]
) -> None:
    api = hooking(installed).api
    hook_metrics(api, sink, bounded(3, RETRY_DELAY))
    titles, batches, away = numbered(0, rounds(100, 1_000)), 10, rounds(5, 60)

    sink.down()
    size = len(titles) // batches
    for batch in range(batches):
        if batch in (4, 5):
            _kill(installed, names)
        report(api, titles[batch * size : (batch + 1) * size])
        steadily("silence", lambda: not sink.requests, away / batches)
    sink.script = lambda _: SLOWLY
    sink.up()
    report(api, ["later"])
    grows("requests", lambda: len(sink.requests), 20)
    _kill(installed, names)

    wait_for(sink, [*titles, "later"])
    in_flight = MOST_CONNECTIONS if names == ["worker-1"] else 0
    assert_delivered_once(api, sink, [*titles, "later"], in_flight)
    assert_oldest_first(flushed(sink), MOST_CONNECTIONS - 1 + in_flight)
    installed.check()


def _kill(product: Product, names: list[str]) -> None:
    """Kill these at the same time, and wait until others run in their place."""
    before = {name: product.kill(name) for name in names}
    for name, pid in before.items():
        product.restarted(name, pid)


def test_kills_of_the_worker_in_a_flush_repeat_only_what_was_in_flight(
    installed: Product, sink: HttpSink
) -> None:
    api = hooking(installed).api
    hook_metrics(api, sink, bounded(1, 1))
    kills = rounds(2, 20)
    titles = numbered(0, 100 * (kills + 1))
    sink.script = lambda _: 503
    for begin in range(0, len(titles), 1_000):
        report(api, titles[begin : begin + 1_000])
    stored = len(titles)
    eventually("all is stored", lambda: api.items("/lanes")[0]["stored"] == stored)
    failed = len(sink.requests)

    sink.script = lambda _: SLOWLY
    report(api, ["later"])
    for _ in range(kills):
        # Enough for what was in flight at the last kill to be done with.
        grows("requests", lambda: len(sink.requests), 50)
        installed.restarted("worker-1", installed.kill("worker-1"))

    wait_for(sink, [*titles, "later"], PATIENCE + len(titles) / 20)
    in_flight = kills * MOST_CONNECTIONS
    assert_delivered_once(api, sink, [*titles, "later"], in_flight)
    assert_oldest_first(flushed(sink), MOST_CONNECTIONS - 1 + in_flight)
    assert len(sink.requests) - len(sink.taken) == failed
    installed.check()


@pytest.mark.parametrize(
    "points",
    [(point,) for point in POINTS] if EVERYTHING else TOGETHER,
    ids=lambda points: "-".join(map(str, points)),
)
def test_kills_at_the_points_lose_no_event(
    installed: Product, sink: HttpSink, points: tuple[int, ...]
) -> None:
    allow_loopback(installed)
    told: list[str] = []
    for hit in count(1):
        installed.start(FAILPOINT=",".join(f"{point}:{hit}" for point in points))
        api = installed.api
        if hit == 1:
            api.set(postNotificationSchedule="On Demand")
            hook_metrics(api, sink, bounded(3, 1))
        for turn in range(MOST_ROUNDS if hit == 1 else 1):
            # The first is refused once, so that there are a retry and a flush too.
            sink.script = _refuse_one(sink)
            titles = [f"{hit}-{turn}-{number}" for number in range(OF_A_ROUND)]
            report(api, titles)
            told += titles
            wait_for(sink, told)
            if 12 in points and hit == 1:
                told.append(_after_a_drain(installed, sink))
            if installed.fired == set(points):
                break
        assert installed.fired == set(points) or hit > 1
        # In each run so many kills.
        assert_delivered_once(api, sink, told, doubles=hit * len(points))
        eventually("a lane at rest", _rests(api))
        installed.check()
        installed.stop()
        if not installed.fired:
            break
        for point in points:
            assert re.search(rf"{POINTS[point]}-\d was ended by SIGKILL", installed.output)
        installed.rearm()
        if hit >= rounds(1, MOST_HITS):
            break


def _after_a_drain(product: Product, sink: HttpSink) -> str:
    """End a drain, which is after 20 s or when the sweep wants its turn; report what is told."""
    with product.redis() as redis:
        redis.zadd("rq:scheduler:scheduled_jobs", {"sweep": 1})
    eventually("the first hit", lambda: 12 in product.fired)
    report(product.api, ["after"])
    wait_for(sink, ["after"])
    return "after"


def _rests(api: Api) -> Callable[[], bool]:
    def look() -> bool:
        (lane,) = api.items("/lanes")
        return lane["state"] == "normal" and not open_deliveries(api)

    return look


def _refuse_one(sink: HttpSink) -> Script:
    """Refuse the next request."""
    before = len(sink.requests)
    return lambda _: 503 if len(sink.requests) == before + 1 else 200
