"""A wall clock that jumps by an hour and by ten years, both ways, under the real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.harness.fixtures import calm
from tests.harness.mails import Post
from tests.harness.product import Product
from tests.harness.rows import select
from tests.harness.waiting import eventually, steadily

HOUR, TEN_YEARS = 3_600, 315_360_000
# Offsets one after another: forward and back by an hour, forward and back by ten years, and back.
OFFSETS = (HOUR, 0, TEN_YEARS, 0, -TEN_YEARS)
# Long enough for both workers to sweep while a mail is in flight.
SENDING = 5.0
SCHEDULED = "rq:scheduler:scheduled_jobs"


class Clock:
    """The wall clock of a product, by the file that its processes read."""

    def __init__(self, product: Product) -> None:
        self._path = Path(f"{product.data}.clock")
        product.environ["TOCSIN_TEST_CLOCK"] = str(self._path)

    def set(self, offset: int) -> None:
        """Let it jump, in one step."""
        draft = self._path.with_suffix(".new")
        draft.write_text(str(offset), encoding="ascii")
        draft.replace(self._path)


def jumps(product: Product) -> list[Any]:
    """Return what the audit log tells of jumps, as nobody else can show it yet."""
    return select(product, "SELECT after FROM audit WHERE action = 'jump' ORDER BY id")


def sweep(product: Product) -> None:
    """Let rq-scheduler, whose clock goes on as ever, queue a sweep now; a worker does it."""
    with product.redis() as redis:
        redis.zadd(SCHEDULED, {"sweep": 1})
        eventually("a moved job", lambda: (redis.zscore(SCHEDULED, "sweep") or 0) != 1)
        eventually("an empty queue", lambda: redis.llen("rq:queue:tocsin") == 0)


def in_flight(post: Post, before: int) -> None:
    """Wait for a mail after so many."""
    eventually("a mail in flight", lambda: post.commands("DATA") > before)


def audited(product: Product, number: int) -> None:
    """Wait for so many jumps in the audit log."""
    eventually("its audit", lambda: len(jumps(product)) == number)


def test_a_jump_ends_nothing_prunes_nothing_and_stops_nothing(
    installed: Product, post: Post
) -> None:
    clock, api = Clock(installed), installed.api
    installed.environ["TOCSIN_WORKERS"] = "2"
    calm(installed)
    api.mail_system("Mail", post.port, timeout=60)
    api.register("told", "Mail")
    api.register("waits", "Mail", **{"global": {"immediately": False, "failureCount": 1}})
    api.fail("told", errorCode="FIRST")
    post.wait(1)
    post.script.delays = {"DOT": SENDING}

    for number, offset in enumerate(OFFSETS, start=1):
        api.fail("told", errorCode=f"IN FLIGHT {number}")
        in_flight(post, number)
        clock.set(offset)
        # Both workers look for what is due, for lanes whose lease is over, for what is old.
        sweep(installed)
        sweep(installed)
        post.wait(number + 1)
        eventually("a ready product", installed.ready, 20)
        audited(installed, number)

    post.script.delays = {}
    api.fail("waits")
    api.run_pass()
    post.wait(len(OFFSETS) + 2)
    assert post.doubles == 0
    told = eventually("all told", lambda: _all_told(installed, len(OFFSETS) + 2))
    assert {row["count"] for row in told} == {1}
    deliveries = api.items("/deliveries")
    assert {row["state"] for row in deliveries} == {"delivered"}
    assert {row["attemptCount"] for row in deliveries} == {1}
    assert installed.output.count("The clock of this machine was set") == len(OFFSETS)
    assert "Pruned" not in installed.output.partition("was set")[2]
    installed.check()
    installed.stop()


def _all_told(product: Product, number: int) -> list[Any]:
    rows = product.api.items("/failures", notified="true")
    return rows if len(rows) == number else []


def test_the_pass_goes_on_at_once_after_a_jump(installed: Product) -> None:
    clock, api = Clock(installed), installed.api
    installed.start()

    def passed(number: int) -> None:
        def look() -> bool:
            runs = api.items("/dispatch-runs")
            return len([run for run in runs if run["cause"] == "schedule"]) == number

        eventually("another pass", look, 20)

    passed(1)
    for number, offset in enumerate((HOUR, 0), start=2):
        clock.set(offset)
        sweep(installed)
        passed(number)


def test_a_clock_that_was_set_while_the_server_was_off_prunes_nothing(
    installed: Product, post: Post
) -> None:
    clock, api = Clock(installed), installed.api
    calm(installed)
    api.mail_system("Mail", post.port)
    api.register("told", "Mail")
    api.fail("told", trace="line 1")
    post.wait(1)
    installed.stop()

    clock.set(TEN_YEARS)
    installed.start()
    sweep(installed)
    sweep(installed)
    steadily("what was there", lambda: len(api.items("/failures")) == 1, 3)

    assert len(api.items("/deliveries")) == 1
    assert len(jumps(installed)) == 1
    installed.check()
