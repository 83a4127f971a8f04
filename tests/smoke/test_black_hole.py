"""A system that takes connections and never speaks holds one thread, never a worker."""

from __future__ import annotations

from statistics import median, quantiles

import pytest

from tests.harness.client import Api
from tests.harness.mails import Post, post_office
from tests.harness.product import Product
from tests.harness.senders import Ledger, Wish, send
from tests.harness.waiting import eventually

ROUNDS, SAMPLES = 5, 25
# What the scheduler of a busy machine adds to one side and not to the other, in seconds.
NOISE = 0.005


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


class _Hole:
    """A mail server that plays dead, and a system and an integration that lead to it."""

    def __init__(self, api: Api, post: Post, name: str) -> None:
        self._api, self._post, self._name = api, post, name
        api.mail_system(name, post.port, timeout=60)
        api.register(name, name)

    def swallow(self, key: str) -> None:
        """Have a mail sent into the hole, and others wait behind it."""
        before = self._post.box.counts["connections"]
        for number in range(3):
            self._api.fail(self._name, errorCode=f"{key}-{number}")
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

    with post_office(black_hole=True) as first, post_office(black_hole=True) as second:
        holes = [_Hole(api, first, "hole-1"), _Hole(api, second, "hole-2")]
        quiet, loaded = [], []
        latencies("warm")
        for number in range(ROUNDS):
            quiet.append(_p95(latencies(f"quiet-{number}")))
            for hole in holes:
                hole.swallow(f"into-{number}")
            loaded.append(_p95(latencies(f"loaded-{number}")))
            for hole in holes:
                hole.let_go()

    print(f"p95 in ms: quiet {median(quiet) * 1000:.1f}, loaded {median(loaded) * 1000:.1f}")
    assert median(loaded) <= median(quiet) * 1.1 + NOISE
