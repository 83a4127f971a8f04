"""The Post Failure Notification job, run by rq-scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.harness.client import Api
from tests.harness.fixtures import ON_DEMAND
from tests.harness.mails import Post
from tests.harness.product import Product
from tests.harness.waiting import eventually

ENTRIES = "rq:scheduler:scheduled_jobs"
ALWAYS = {"drain", "sweep", "prune", "roll-up"}
PASS = {"global": {"immediately": False, "failureCount": 1}}


@pytest.fixture(autouse=True)
def on_demand(running: Product) -> Iterator[None]:
    """Leave the shared product as it was found."""
    yield
    running.api.set(postNotificationSchedule=ON_DEMAND)


def _passes(api: Api) -> list[datetime]:
    """When passes by schedule began, the latest first."""
    runs = [run for run in api.items("/dispatch-runs") if run["cause"] == "schedule"]
    return [datetime.fromisoformat(run["startedAt"]) for run in runs if run["startedAt"]]


def test_the_pass_runs_by_itself_from_the_moment_its_schedule_says_so(
    running: Product, api: Api, post: Post
) -> None:
    api.mail_system("Scheduled", post.port)
    api.register("scheduled", "Scheduled", **PASS)
    api.fail("scheduled", errorCode="FIRST")
    before = len(_passes(api))

    api.set(postNotificationSchedule="30 Second Schedule")
    # There was no pass by schedule for 30 s, so the first one is due at once.
    eventually("a pass by itself", lambda: len(_passes(api)) > before, 5)
    post.wait(1)

    with running.redis() as redis:
        due = eventually("its entry", lambda: redis.zscore(ENTRIES, "dispatch"))
    (first,) = _passes(api)[: len(_passes(api)) - before]
    # The scheduler learns of the change within 15 s.
    assert 0 < due - first.timestamp() <= 30 + 15
    api.fail("scheduled", errorCode="SECOND")
    eventually("the next pass", lambda: len(_passes(api)) > before + 1, 60)
    post.wait(2)
    last = _passes(api)[0]
    assert (last - first).total_seconds() >= 27
    assert last.timestamp() - due < 10

    with running.redis() as redis:

        def entries() -> set[str]:
            return {name.decode() for name in redis.zrange(ENTRIES, 0, -1)}

        assert "dispatch" in entries()
        api.set(postNotificationSchedule=ON_DEMAND)
        eventually("the end of its entry", lambda: entries() == ALWAYS)
