"""SQLite held by another process: a short while makes reports slow, a long one refuses them."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from app import clock
from tests.harness.books import assert_stored_once, wait_until_told
from tests.harness.client import Answer, Api
from tests.harness.fixtures import NewDatabase, calm, installation
from tests.harness.mails import Post, post_office
from tests.harness.product import Product
from tests.harness.senders import Ledger, Wish, send
from tests.harness.waiting import eventually

SHORT, LONG = 3.0, 20.0
# 10 s for the lock and 3 s for those who wait behind it; the rest is for a busy machine.
LONGEST_ANSWER = 18.0
LONGEST_READ = 5.0
# More than the two web processes have threads: the last ones must not wait twice as long.
REPORTS = 40
Hold = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def sqlite_lock(data: Path) -> Iterator[None]:
    """Hold a transaction that writes, as somebody's sqlite3 shell would."""
    connection = sqlite3.connect(
        data / "tocsin.sqlite3", isolation_level=None, check_same_thread=False
    )
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.close()


@contextmanager
def write_lock(data: Path) -> Iterator[None]:
    """Hold the lock file of the writers, as a frozen process of ours would."""
    descriptor = os.open(data / "write.lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_short_lock_makes_reports_slow_and_a_long_one_refuses_them(
    new_database: NewDatabase,
) -> None:
    # Both kinds at the same time, each on a product of its own: it is 23 s of waiting.
    holds: list[Hold] = [sqlite_lock, write_lock]
    with ExitStack() as stack:
        products = [stack.enter_context(installation(new_database)) for _ in holds]
        posts = [stack.enter_context(post_office()) for _ in holds]
        with ThreadPoolExecutor(len(holds)) as pool:
            list(pool.map(_lock_and_look, products, posts, holds))
        for product in products:  # one after another, as the check writes to standard output
            product.check()


def _lock_and_look(product: Product, post: Post, hold: Hold) -> None:
    api, ledger = calm(product).api, Ledger()
    api.mail_system("Mail", post.port)
    api.register("job", "Mail")
    with ThreadPoolExecutor(REPORTS) as pool:
        with hold(product.data):
            report = pool.submit(send, api, Wish("job", "SHORT"), ledger)
            clock.sleep(SHORT)
        report.result()
        assert set(ledger.statuses) == {202}, ledger
        assert SHORT - 0.5 <= ledger.took[0] <= LONGEST_ANSWER

        _leave_in_flight(api, post, ledger)
        with hold(product.data):
            post.script.delays, until = {}, clock.monotonic() + LONG
            answers = [pool.submit(_refused, api, Wish("job", f"LONG-{n}")) for n in range(REPORTS)]
            for answer in answers:
                assert int(answer.result().headers["Retry-After"]) > 0
            # Those who go on to report now are refused at once, so that others can read.
            late = [pool.submit(_refused, api, Wish("job", f"LONG-{n}")) for n in range(REPORTS)]
            began = clock.monotonic()
            assert api.ask("GET", "/api/v1/failures").status == 200
            assert clock.monotonic() - began <= LONGEST_READ
            assert len([answer.result() for answer in late]) == REPORTS
            clock.sleep(max(0.0, until - clock.monotonic()))

    for number in range(REPORTS):
        send(api, Wish("job", f"LONG-{number}"), ledger)
    wait_until_told(api, post, ledger)
    assert_stored_once(api, ledger)
    assert post.doubles == 0
    eventually("a ready product", product.ready)


def _leave_in_flight(api: Api, post: Post, ledger: Ledger) -> None:
    """Have a mail whose verdict comes when it cannot be stored."""
    post.script.delays = {"DOT": 1.0}
    before = len(post.box.mails)
    send(api, Wish("job", "IN-FLIGHT"), ledger)
    post.arrive(before + 1)


def _refused(api: Api, wish: Wish) -> Answer:
    """Report, and return the refusal, which comes in time."""
    began = clock.monotonic()
    path = f"/api/v1/integrations/{wish.integration}/failures"
    answer = api.ask("POST", path, wish.body)
    assert answer.status == 503, answer.text
    assert clock.monotonic() - began <= LONGEST_ANSWER
    return answer
