"""Kill -9 at every numbered point, several of them in one run.

In the soak each point has runs of its own: a kill at its 1st hit, its 2nd, ... until a run passes
untouched. Each round reports failures with idempotency keys, some told at once and some with the
pass. At the end each report that was answered is there once, each mail arrived, and the invariants
hold.
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
from tests.harness.rounds import EVERYTHING, rounds
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
# Those of one run: a mail may lose its owner twice, the third time it is quarantined.
TOGETHER = ((1, 4, 6, 10), (2, 5, 7, 11), (3, 8, 9, 13), (12, 14), (15, 16))
# In a Test, which is not sent again: test_trials.py.
ELSEWHERE = {17}
AT_ONCE, WITH_PASS = 8, 3
# These lie in a job: more than is done at once, so that a worker does it.
OF_A_JOB, ROWS = {15, 16}, 51
# More hits than one round can have.
MOST_HITS = 60
# In so many rounds each point of a run is met.
MOST_ROUNDS = 3


def _configure(api: Api, post: Post) -> None:
    api.set(postNotificationSchedule="On Demand")
    for name in ("Even", "Odd"):
        api.mail_system(name, post.port)
    for number in range(AT_ONCE):
        api.register(f"now-{number}", "Odd" if number % 2 else "Even")
    for number in range(WITH_PASS):
        later = {"immediately": False, "failureCount": 1}
        api.register(f"later-{number}", "Even", **{"global": later})


def _round(product: Product, post: Post, name: str) -> None:
    """Report, let the pass run, and look at what became of it."""
    ledger = Ledger()
    wishes = [Wish(f"now-{number}", f"N{number}-{name}") for number in range(AT_ONCE)]
    wishes += [Wish(f"later-{number}", f"L{number}-{name}") for number in range(WITH_PASS)]
    send_all(product.api, wishes, ledger)
    product.api.run_pass()
    told = wait_until_told(product.api, post, ledger)
    assert {row["count"] for row in told.values()} == {1}
    assert_stored_once(product.api, ledger)


def _register_in_bulk(api: Api, name: str) -> None:
    """Let a worker register many integrations, and look at what became of each."""
    keys = [f"bulk-{name}-{number}" for number in range(ROWS)]
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
    assert {point for points in TOGETHER for point in points} == POINTS.keys()


@pytest.mark.parametrize(
    "points",
    [(point,) for point in POINTS] if EVERYTHING else TOGETHER,
    ids=lambda points: "-".join(map(str, points)),
)
def test_kills_lose_nothing(installed: Product, post: Post, points: tuple[int, ...]) -> None:
    doubles = 0
    for hit in count(1):
        installed.start(FAILPOINT=",".join(f"{point}:{hit}" for point in points))
        if hit == 1:
            _configure(installed.api, post)
        for turn in range(MOST_ROUNDS if hit == 1 else 1):
            _round(installed, post, f"{hit}-{turn}")
            if OF_A_JOB & set(points):
                _register_in_bulk(installed.api, f"{hit}-{turn}")
            if 12 in points and hit == 1:
                _end_the_drain(installed, post)
            if installed.fired == set(points):
                break
        assert installed.fired == set(points) or hit > 1
        eventually("nothing open", lambda: not _open(installed.api))
        installed.check()
        installed.stop()
        assert post.doubles - doubles <= sum(POINTS[point][1] for point in points)
        doubles = post.doubles
        if not installed.fired:
            break
        for role in {POINTS[point][0] for point in points}:
            assert re.search(rf"{role}-\d was ended by SIGKILL", installed.output)
        installed.rearm()
        if hit >= rounds(1, MOST_HITS):
            break


def _end_the_drain(product: Product, post: Post) -> None:
    """End a drain, which is after 20 s or when the sweep wants its turn: it does now."""
    with product.redis() as redis:
        redis.zadd("rq:scheduler:scheduled_jobs", {"sweep": 1})
    eventually("the first hit", lambda: 12 in product.fired)
    product.api.fail("now-0", errorCode="AFTER")
    eventually("a mail after it", lambda: post.box.mails[-1:] and _told(product.api))


def _open(api: Api) -> int:
    return sum(row["state"] in ("pending", "leased") for row in api.items("/deliveries"))


def _told(api: Api) -> bool:
    return bool(api.items("/failures", errorCode="AFTER", notified="true"))
