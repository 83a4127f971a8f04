"""Mail servers that misbehave: nothing is lost, doubles carry the same Message-ID."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.client import Api
from tests.harness.mails import Post, post_office
from tests.harness.product import Product
from tests.harness.waiting import eventually
from tests.servers.sink import DROP


@pytest.fixture
def api(product: Product, post: Post) -> Api:
    """A client of a product that mails for two integrations."""
    product.api.mail_system("Mail", post.port, timeout=2)
    for name in ("one", "two"):
        product.api.register(name, "Mail")
    return product.api


def _others(api: Api, state: str) -> list[dict[str, Any]]:
    return api.items("/failures", errorType="other", state=state)


def _sent_by_pass(api: Api, post: Post, mails: int) -> None:
    """Run a pass, after which everything is delivered and no other error or connection is left."""
    api.run_pass()
    eventually("delivery", lambda: len(api.items("/deliveries", state="delivered")) == mails)
    eventually("no other error", lambda: not _others(api, "open"))
    # A mail that came before that would still go through this connection, without a greeting.
    eventually("the end of the connection", lambda: not post.sink.open)


def test_what_a_mail_server_does_to_one_mail_is_mended_by_the_next_pass(
    product: Product, api: Api, post: Post
) -> None:
    # Each of these once: a drop after the final dot (the mail may have been taken), 421 at two
    # places, a refusal for now, and a drop of the greeting.
    scripts: list[dict[str, list[str]]] = [
        {"DOT": [DROP]},
        {"CONNECT": ["421 4.3.2 closing"]},
        {"MAIL": ["421 4.3.2 closing"]},
        {"DOT": ["451 4.3.0 later"]},
        {"DATA": ["451 4.3.0 later"]},
        {"EHLO": [DROP]},
    ]
    for number, once in enumerate(scripts, start=1):
        post.script.once = once
        api.fail("one", errorCode="ABCDEF"[number - 1])
        (other,) = eventually("the other error", lambda: _others(api, "open"))
        assert other["waiting"] == 1
        assert other["integration"] == "one"
        _sent_by_pass(api, post, number)

    ids = [mail["Message-ID"] for mail in post.messages]
    assert len(set(ids)) == len(scripts)
    assert post.doubles == 0  # this sink does not take what it does not answer
    product.check()


def test_a_mail_that_was_taken_but_not_confirmed_comes_twice_with_the_same_id(
    product: Product, api: Api, post: Post
) -> None:
    post.script.delays = {"DOT": 5}  # taken, but the answer comes after the time-out
    api.fail("one")
    eventually("the other error", lambda: _others(api, "open"))
    post.script.delays = {}

    _sent_by_pass(api, post, 1)

    first, second = post.messages
    assert first["Message-ID"] == second["Message-ID"]
    assert first["X-Tocsin-Delivery"] == second["X-Tocsin-Delivery"]
    (delivery,) = api.items("/deliveries")
    attempts = api.get(f"/deliveries/{delivery['id']}")["attempts"]
    assert [attempt["verdict"] for attempt in attempts] == ["unknown", "ok"]
    product.check()


def test_a_black_hole_is_probed_with_one_mail_a_pass(product: Product, api: Api) -> None:
    with post_office(black_hole=True) as hole:
        api.mail_system("Mail", hole.port, timeout=1)
        for code in "ABCDE":
            api.fail("one", errorCode=code)
        eventually("the other error", lambda: _others(api, "open"))
        lane = {"system": "Mail"}
        eventually("an idle lane", lambda: api.items("/lanes", **lane)[0]["state"] == "retrying")
        eventually("five waiting", lambda: _others(api, "open")[0]["waiting"] == 5)
        before = hole.box.counts["connections"]

        api.run_pass()
        eventually("a probe", lambda: hole.box.counts["connections"] == before + 1)
        eventually("its end", lambda: api.items("/lanes", **lane)[0]["nextTryAt"] is None)
        assert hole.box.counts["connections"] == before + 1

        hole.script.black_hole = False
        _sent_by_pass(api, hole, 5)
        assert len(hole.by_delivery()) == 5
        assert hole.doubles == 0
    product.check()
