"""Kill -9 at every numbered point: at its 1st hit, its 2nd, ... until a run passes untouched.

Each round reports failures with idempotency keys, some told at once and some with the pass. At the
end each report that was answered is there once, each mail arrived, and the invariants hold.
"""

from __future__ import annotations

import re
from itertools import count

import pytest

from app import failpoints
from tests.harness.books import assert_stored_once, wait_until_told
from tests.harness.client import Api
from tests.harness.mails import Post
from tests.harness.product import Product
from tests.harness.rounds import rounds
from tests.harness.senders import Ledger, Wish, send_all
from tests.harness.waiting import eventually

# The process that dies, and how many mails may then be in flight: each of the two lanes has one
# connection, and a second one once eight mails wait. Those of the other lane may be at any point.
IN_WORKER = 4
POINTS = {
    1: ("web", 0),
    2: ("web", 0),
    3: ("web", 0),
    4: ("worker", IN_WORKER),
    5: ("worker", IN_WORKER),
    6: ("worker", IN_WORKER),
    7: ("worker", IN_WORKER),
    8: ("worker", IN_WORKER),
    9: ("worker", IN_WORKER),
    10: ("worker", IN_WORKER),
    11: ("worker", IN_WORKER),
    12: ("worker", IN_WORKER),
    13: ("scheduler", 0),
    14: ("worker", IN_WORKER),
    15: ("worker", IN_WORKER),
    16: ("worker", IN_WORKER),
}
# In a Test, which is not sent again: test_trials.py.
ELSEWHERE = {17}
AT_ONCE, WITH_PASS = 8, 3
# These lie in a job: more than is done at once, so that a worker does it.
OF_A_JOB, ROWS = (15, 16), 51
# More hits than one round can have.
MOST_HITS = 60


def _configure(api: Api, post: Post) -> None:
    api.set(postNotificationSchedule="On Demand")
    for name in ("Even", "Odd"):
        api.mail_system(name, post.port)
    for number in range(AT_ONCE):
        api.register(f"now-{number}", "Odd" if number % 2 else "Even")
    for number in range(WITH_PASS):
        later = {"immediately": False, "failureCount": 1}
        api.register(f"later-{number}", "Even", **{"global": later})


def _round(product: Product, post: Post, hit: int) -> None:
    """Report, let the pass run, and look at what became of it."""
    ledger = Ledger()
    wishes = [Wish(f"now-{number}", f"N{number}-{hit}") for number in range(AT_ONCE)]
    wishes += [Wish(f"later-{number}", f"L{number}-{hit}") for number in range(WITH_PASS)]
    send_all(product.api, wishes, ledger)
    product.api.run_pass()
    told = wait_until_told(product.api, post, ledger)
    assert {row["count"] for row in told.values()} == {1}
    assert_stored_once(product.api, ledger)


def _register_in_bulk(api: Api, hit: int) -> None:
    """Let a worker register many integrations, and look at what became of each."""
    keys = [f"bulk-{hit}-{number}" for number in range(ROWS)]
    for key in keys:
        api.put(f"/integrations/{key}", {})
    settings = {"system": "Even", "forward": {"recipients": ["bulk@example.com"]}}
    asked = {"integrations": keys, "registration": settings}
    job = api.sure("POST", "/registrations/bulk", asked).of(202)["jobId"]
    eventually("the job", lambda: api.get(f"/jobs/{job}")["state"] == "done")
    assert api.get(f"/jobs/{job}")["counts"] == {"registered": ROWS, "skipped": 0}
    registered = [row["integration"] for row in api.items("/registrations")]
    assert sorted(key for key in registered if key in set(keys)) == sorted(keys)


def test_no_point_is_left_out() -> None:
    assert POINTS.keys() | ELSEWHERE == failpoints.POINTS.keys()


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_kill_at_any_hit_loses_nothing(installed: Product, post: Post, point: int) -> None:
    role, in_flight = POINTS[point]
    doubles = 0
    for hit in count(1):
        installed.start(FAILPOINT=f"{point}:{hit}")
        if hit == 1:
            _configure(installed.api, post)
        _round(installed, post, hit)
        if point in OF_A_JOB:
            _register_in_bulk(installed.api, hit)
        if hit == 1 and not installed.fired:
            # The end of a drain: after 20 s, or when the sweep wants its turn; let it want it now.
            with installed.redis() as redis:
                redis.zadd("rq:scheduler:scheduled_jobs", {"sweep": 1})
            eventually("the first hit", lambda: installed.fired)
            installed.api.fail("now-0", errorCode="AFTER")
            eventually("a mail after it", lambda: post.box.mails[-1:] and _told(installed.api))
        eventually("nothing open", lambda: not _open(installed.api))
        installed.check()
        installed.stop()
        assert post.doubles - doubles <= in_flight
        doubles = post.doubles
        if not installed.fired:
            break
        assert re.search(rf"{role}-\d was ended by SIGKILL", installed.output)
        installed.rearm()
        if hit >= rounds(1, MOST_HITS):
            break


def _open(api: Api) -> int:
    return sum(row["state"] in ("pending", "leased") for row in api.items("/deliveries"))


def _told(api: Api) -> bool:
    return bool(api.items("/failures", errorCode="AFTER", notified="true"))
