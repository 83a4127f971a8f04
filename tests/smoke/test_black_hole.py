"""A system that takes connections and never speaks holds one thread, never a worker."""

from __future__ import annotations

from statistics import median, quantiles

import pytest

from app import clock
from tests.harness.client import Api
from tests.harness.mails import Post, post_office
from tests.harness.product import Product
from tests.harness.senders import Ledger, Wish, send
from tests.harness.waiting import eventually

ROUNDS, SAMPLES, MAILS = 5, 25, 3
# What reporting and letting go leave to be done is over then, in seconds.
SETTLED = 0.5
# What the scheduler of a busy machine adds to one side and not to the other, in seconds.
NOISE = 0.005


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


class _Other:
    """Another mail server, with a system and an integration that lead to it."""

    def __init__(self, api: Api, post: Post, name: str) -> None:
        self._api, self._post, self._name = api, post, name
        api.mail_system(name, post.port, timeout=60)
        api.register(name, name)

    def report(self, key: str) -> None:
        """Have three mails sent to it."""
        for number in range(MAILS):
            self._api.fail(self._name, errorCode=f"{key}-{number}")

    def take(self, key: str) -> None:
        """Have it take what is sent: as much work before a quiet round as before the others."""
        seen = len(self._post.box.mails)
        self.report(key)
        eventually("its mails", lambda: len(self._post.box.mails) >= seen + MAILS)


class _Hole(_Other):
    """One that plays dead."""

    def swallow(self, key: str) -> None:
        """Have a mail sent into the hole, and others wait behind it."""
        before = self._post.box.counts["connections"]
        self.report(key)
        eventually("a held connection", lambda: self._post.box.counts["connections"] > before)
        assert self._post.sink.open

    def let_go(self) -> None:
        """End what it holds."""
        self._post.hang_up()
        lane = {"system": self._name}
        eventually(
            "the lane is idle", lambda: self._api.items("/lanes", **lane)[0]["state"] == "retrying"
        )


@pytest.mark.usefixtures("alone")
def test_two_black_holes_leave_the_p95_of_a_third_lane_alone(product: Product, post: Post) -> None:
    api = product.api
    api.mail_system("Good", post.port)
    api.register("good", "Good")

    def latencies(name: str) -> list[float]:
        """Return the seconds from the 202 to the mail, one report after the other."""
        found: list[float] = []
        for number in range(SAMPLES):
            ledger, key = Ledger(), f"{name}-{number}"
            seen = len(post.box.times)
            send(api, Wish("good", key), ledger)
            post.arrive(seen + 1)
            found.append(post.box.times[seen] - ledger.answered_at[key])
        return found

    with (
        post_office(black_hole=True) as first,
        post_office(black_hole=True) as second,
        post_office() as third,
        post_office() as fourth,
    ):
        holes = [_Hole(api, first, "hole-1"), _Hole(api, second, "hole-2")]
        others = [_Other(api, third, "calm-1"), _Other(api, fourth, "calm-2")]
        quiet, loaded = [], []
        latencies("warm")
        for number in range(ROUNDS):
            for other in others:
                other.take(f"into-{number}")
            clock.sleep(SETTLED)
            quiet.append(_p95(latencies(f"quiet-{number}")))
            for hole in holes:
                hole.swallow(f"into-{number}")
            clock.sleep(SETTLED)
            loaded.append(_p95(latencies(f"loaded-{number}")))
            for hole in holes:
                hole.let_go()

    print(f"p95 in ms: quiet {median(quiet) * 1000:.1f}, loaded {median(loaded) * 1000:.1f}")
    assert median(loaded) <= median(quiet) * 1.1 + NOISE
