"""Web processes that die under load: what was answered with 2xx is there, and the rest comes."""

from __future__ import annotations

from functools import partial

from app import clock
from tests.harness.books import assert_stored_once
from tests.harness.product import Product
from tests.harness.rounds import rounds
from tests.harness.senders import Load, Wish
from tests.harness.waiting import eventually, grows

KILLED = (("web-1",), ("web-2",), ("web-1", "web-2"))


def test_a_kill_of_web_under_load_loses_no_report(product: Product) -> None:
    gaps = []
    with Load(product.api, lambda number: Wish(f"job-{number % 8}", f"K{number}")) as load:
        for number in range(rounds(4, 200)):
            grows("reports", lambda: load.accepted, 20)
            pids = {name: product.kill(name) for name in KILLED[number % len(KILLED)]}
            killed_at = clock.monotonic()
            for name, pid in pids.items():
                product.restarted(name, pid)
            eventually("a 2xx", partial(_answered_after, load, killed_at))
            gaps.append(clock.monotonic() - killed_at)

    assert max(gaps) <= 5, gaps
    assert load.ledger.repeats, "no request was ever cut off"
    assert set(load.ledger.statuses) == {202}
    assert_stored_once(product.api, load.ledger)
    product.check()


def _answered_after(load: Load, since: float) -> bool:
    with load.ledger.lock:
        return any(moment > since for moment in load.ledger.answered_at.values())
