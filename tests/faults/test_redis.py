"""Redis away, killed, emptied, frozen: the database knows what waits, and intake does not care."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import pytest

from app import clock
from tests.harness.books import assert_stored_once, wait_until_told
from tests.harness.client import Api
from tests.harness.fixtures import calm
from tests.harness.mails import Post
from tests.harness.product import Product
from tests.harness.redis import OutsideRedis
from tests.harness.senders import Load, Wish
from tests.harness.waiting import eventually, grows

INTEGRATIONS = 8
AFTER = 20  # deliveries go on so many seconds after it is back
AWAY = 3.0
# A Redis that hangs costs the reports of one commit 0.2 s, and nobody waits for it twice; the rest
# is the commit itself on a busy machine. (With every wake-up tried anew it was 0.43 s.)
FROZEN = 0.35


def _register(api: Api, post: Post) -> None:
    api.mail_system("Mail", post.port)
    for number in range(INTEGRATIONS):
        api.register(f"job-{number}", "Mail")


def _make(number: int) -> Wish:
    return Wish(f"job-{number % INTEGRATIONS}", f"K{number}")


def _nothing(product: Product) -> None:
    """Leave its append-only file."""


def _without_data(product: Product) -> None:
    shutil.rmtree(product.data / "redis")


@pytest.mark.parametrize("before", [_nothing, _without_data], ids=["with its file", "without"])
def test_mail_goes_on_after_a_kill_of_the_embedded_redis(
    product: Product, post: Post, before: Callable[[Product], None]
) -> None:
    api = product.api
    post.script.delays = {"DOT": 0.02}
    _register(api, post)
    # Killed while nothing is done ...
    before(product)
    product.restarted("redis-1", product.kill("redis-1"))
    api.fail("job-0", errorCode="IDLE")
    post.wait(1, AFTER)

    with Load(api, _make, at_once=2, pause=0.01) as load:  # ... and in the middle of a drain.
        post.wait(10)
        before(product)
        product.restarted("redis-1", product.kill("redis-1"))
        back = clock.monotonic()
        grows("reports", lambda: load.accepted, 20)

    wait_until_told(api, post, load.ledger, AFTER - (clock.monotonic() - back))
    assert set(load.ledger.statuses) == {202}
    assert_stored_once(api, load.ledger)
    assert post.doubles == 0
    eventually("a ready product", product.ready)
    product.check()


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[-1]


@pytest.mark.usefixtures("alone")
def test_intake_does_not_wait_for_a_redis_that_is_away(
    installed: Product, post: Post, tmp_path: Path
) -> None:
    with OutsideRedis(tmp_path) as server:
        installed.environ["TOCSIN_REDIS_URL"] = server.url
        api = calm(installed).api
        _register(api, post)
        server.kill()
        with Load(api, _make, pause=0.01) as load:
            clock.sleep(AWAY)
        assert load.accepted > 50
        server.start()

        wait_until_told(api, post, load.ledger, AFTER)
        print(f"p99 of {load.accepted}: {_p99(load.ledger.took) * 1000:.0f} ms")
        assert _p99(load.ledger.took) <= 0.25
        assert set(load.ledger.statuses) == {202}
        api.fail("job-0", errorCode="BACK")
        eventually("a mail", lambda: api.items("/failures", errorCode="BACK", notified="true"))
        installed.check()
        installed.stop()


@pytest.mark.usefixtures("alone")
def test_intake_does_not_wait_for_a_redis_that_is_frozen(product: Product, post: Post) -> None:
    api = product.api
    _register(api, post)
    product.kill("redis-1", signal.SIGSTOP)
    try:
        with Load(api, _make, pause=0.01) as load:
            clock.sleep(AWAY)
    finally:
        product.kill("redis-1", signal.SIGCONT)

    wait_until_told(api, post, load.ledger, AFTER)
    print(f"p99 of {load.accepted}: {_p99(load.ledger.took) * 1000:.0f} ms")
    assert _p99(load.ledger.took) <= FROZEN
    assert median(load.ledger.took) <= 0.1
    assert set(load.ledger.statuses) == {202}
    product.check()


def test_a_flushall_in_mid_work_loses_nothing(product: Product, post: Post) -> None:
    api = product.api
    post.script.delays = {"DOT": 0.02}
    _register(api, post)
    with product.redis() as redis:
        with Load(api, _make, at_once=2, pause=0.01) as load:
            for wanted in (10, 20, 30):
                post.wait(wanted)
                redis.flushall()

        wait_until_told(api, post, load.ledger, AFTER)

        def table() -> bool:
            return bool(redis.zcard("rq:scheduler:scheduled_jobs") == 4)

        eventually("the periodic jobs", table, AFTER)
        # The queue itself goes on: a wake-up and a job of the scheduler are served.
        api.fail("job-0", errorCode="AFTER")
        eventually("a mail", lambda: api.items("/failures", errorCode="AFTER", notified="true"))
        redis.zadd("rq:scheduler:scheduled_jobs", {"sweep": 1})
        eventually("an empty queue", lambda: redis.llen("rq:queue:tocsin") == 0, AFTER)
    assert_stored_once(api, load.ledger)
    assert post.doubles == 0
    product.check()
