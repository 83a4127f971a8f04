"""A system that takes connections and never speaks holds one thread, never a worker.

How much slower others are beside it is measured by `make bench` (blackhole).
"""

from __future__ import annotations

from tests.harness.client import Api
from tests.harness.mails import Post, post_office
from tests.harness.product import Product
from tests.harness.senders import Ledger, Wish, send
from tests.harness.waiting import eventually

ROUNDS, SAMPLES, MAILS = 2, 10, 3
# In seconds: how long a hole holds its thread, and how soon others are told at the latest.
TIMEOUT, SOON = 60, 6.0


class _Hole:
    """A mail server that plays dead, and a system and an integration that lead to it."""

    def __init__(self, api: Api, post: Post, name: str) -> None:
        self._api, self._post, self._name = api, post, name
        api.mail_system(name, post.port, timeout=TIMEOUT)
        api.register(name, name)

    def swallow(self, key: str) -> None:
        """Have a mail sent into the hole, and others wait behind it."""
        before = self._post.box.counts["connections"]
        for number in range(MAILS):
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


def test_two_black_holes_do_not_hold_up_a_third_lane(product: Product, post: Post) -> None:
    api = product.api
    api.mail_system("Good", post.port)
    api.register("good", "Good")
    with post_office(black_hole=True) as first, post_office(black_hole=True) as second:
        holes = [_Hole(api, first, "hole-1"), _Hole(api, second, "hole-2")]
        for turn in range(ROUNDS):
            for hole in holes:
                hole.swallow(f"into-{turn}")
            for number in range(SAMPLES):
                ledger, key = Ledger(), f"{turn}-{number}"
                seen = len(post.box.times)
                send(api, Wish("good", key), ledger)
                post.arrive(seen + 1)
                assert post.box.times[seen] - ledger.answered_at[key] < SOON
            assert first.sink.open and second.sink.open
            for hole in holes:
                hole.let_go()
