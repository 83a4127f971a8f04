"""Schedulers that die: each periodic job stands in Redis once, and none stays away for long."""

from __future__ import annotations

from app import clock
from tests.harness.product import Product
from tests.harness.rounds import rounds
from tests.harness.waiting import eventually

SCHEDULED = "rq:scheduler:scheduled_jobs"
SOON = ["dispatch", "drain", "sweep"]
TABLE = sorted([*SOON, "prune", "roll-up"])
LONGEST_INTERVAL = 30


def test_a_killed_scheduler_neither_loses_nor_doubles_a_job(installed: Product) -> None:
    installed.start()
    installed.api.set(postNotificationSchedule="30 Second Schedule")
    with installed.redis() as redis:

        def whole() -> bool:
            """Say whether each job is there once, and those of every minute within theirs."""
            entries = redis.zrange(SCHEDULED, 0, -1, withscores=True)
            soon = clock.utc_now().timestamp() + LONGEST_INTERVAL + 1
            due = {name.decode(): score for name, score in entries}
            return sorted(due) == TABLE and all(due[name] <= soon for name in SOON)

        eventually("the whole table", whole)
        for number in range(rounds(5, 100)):
            if number % 2:  # as if it had died between two commands of rq-scheduler
                redis.zrem(SCHEDULED, TABLE[number % len(TABLE)])
            pid = installed.kill("scheduler-1")
            installed.restarted("scheduler-1", pid)
            eventually("the whole table", whole, LONGEST_INTERVAL)

        # Jobs that are due are still moved, by the last of them.
        redis.zadd(SCHEDULED, {"sweep": 1})
        eventually("a moved job", lambda: redis.zscore(SCHEDULED, "sweep") > 1, LONGEST_INTERVAL)
    eventually("a ready product", installed.ready)
    installed.check()
