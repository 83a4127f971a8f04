"""Faults of a mail server (quality.md, 16 to 18): each is told, and a later pass sends the mail."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.harness.client import Api
from tests.harness.mails import Post, post_office
from tests.harness.product import free_port
from tests.harness.waiting import eventually
from tests.servers import certificates
from tests.servers.relay import Relay
from tests.servers.sink import DROP, SILENCE

PASS = {"global": {"immediately": False, "failureCount": 1}}
PASSWORD = "hunter2-of-the-relay"
LOGIN = {"authenticationRequired": True, "username": "tocsin"}
CLEAR_LOGIN = LOGIN | {"allowAuthWithoutTls": True}
STARTTLS = {"encryption": "starttls"}


def _others(api: Api, integration: str) -> list[dict[str, Any]]:
    query = {"errorType": "other", "integration": integration, "state": "open"}
    return api.items("/failures", **query)


def _one(api: Api, integration: str) -> dict[str, Any]:
    """Return the one delivery of an integration, with its attempts."""
    (delivery,) = api.items("/deliveries", integration=integration)
    return dict(api.get(f"/deliveries/{delivery['id']}"))


def _set_up(api: Api, name: str, port: int, **options: Any) -> None:
    secrets = {"password": PASSWORD} if options.get("authenticationRequired") else {}
    api.mail_system(name, port, timeout=5, secrets=secrets, **options)
    api.register(name, name)


def _told(api: Api, name: str) -> dict[str, Any]:
    """Wait for the other error of an integration whose one mail waits; return it."""

    def look() -> dict[str, Any]:
        found = _others(api, name)
        return found[0] if found and _one(api, name)["state"] == "pending" else {}

    return eventually("the other error", look)


def _sent(api: Api, name: str) -> dict[str, Any]:
    """Wait until the one mail of an integration is delivered; return its delivery.

    The other error of a refused address stays, until somebody looks at it.
    """
    eventually("delivery", lambda: _one(api, name)["state"] == "delivered")
    eventually("no other error", lambda: all(row["entityId"] for row in _others(api, name)))
    return _one(api, name)


def _sent_by_pass(api: Api, name: str) -> dict[str, Any]:
    """Run a pass, after which the one mail of an integration is delivered."""
    api.run_pass()
    return _sent(api, name)


@dataclass(frozen=True)
class Refusal:
    """What one mail server says to a verb, and the reason that its other error tells."""

    verb: str
    reply: str
    reason: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its system, and of its integration."""
        return f"{self.verb}-{self.reply[:3]}".lower()


REFUSALS = (
    Refusal("CONNECT", "554 5.3.2 No service", "server_error"),
    Refusal("EHLO", "451 4.3.0 Later", "server_error"),
    Refusal("EHLO", "550 5.7.1 Unknown host", "auth_error"),
    Refusal("STARTTLS", "454 4.7.0 Not now", "tls", STARTTLS),
    Refusal("STARTTLS", "501 5.5.4 No", "tls", STARTTLS),
    Refusal("AUTH", "454 4.7.0 Not now", "server_error", CLEAR_LOGIN),
    Refusal("AUTH", "535 5.7.8 Wrong", "auth_error", CLEAR_LOGIN),
    Refusal("MAIL", "451 4.3.0 Later", "server_error"),
    Refusal("MAIL", "550 5.1.8 Unknown sender", "client_error"),
    Refusal("RCPT", "450 4.2.1 Busy", "server_error"),
    Refusal("RCPT", "550 5.1.1 No such user", "client_error"),
    Refusal("DATA", "451 4.3.0 Later", "server_error"),
    Refusal("DATA", "554 5.5.0 No", "client_error"),
    Refusal("DOT", "452 4.3.1 Disk full", "server_error"),
    Refusal("DOT", "554 5.6.0 Content refused", "client_error"),
)


def test_what_is_refused_at_any_verb_waits_and_goes_with_the_pass_after_it_is_mended(
    api: Api,
) -> None:
    with ExitStack() as stack:
        posts = [stack.enter_context(post_office()) for _ in REFUSALS]
        for post, case in zip(posts, REFUSALS, strict=True):
            post.script.extensions = ["PIPELINING", "AUTH PLAIN", "STARTTLS"]
            post.script.replies = {case.verb: case.reply}
            _set_up(api, case.name, post.port, **case.options)
            api.fail(case.name)

        for post, case in zip(posts, REFUSALS, strict=True):
            other = _told(api, case.name)
            told = (other["system"], other["reason"], other["waiting"])
            assert told == (case.name, case.reason, 1)
            assert case.reply in other["message"]
            assert not post.box.mails
            post.script.replies = {"AUTH": "235 2.7.0 Ok"}
            if case.verb == "STARTTLS":
                api.mail_system(case.name, post.port)  # the sink has no TLS to go on with

        api.run_pass()
        for post, case in zip(posts, REFUSALS, strict=True):
            delivery = _sent(api, case.name)
            verdicts = [attempt["verdict"] for attempt in delivery["attempts"]]
            assert verdicts == ["failed", "ok"], case
            assert PASSWORD not in str(delivery)
            (mail,) = post.messages
            assert mail["X-Tocsin-Delivery"] == delivery["id"]


def test_a_greylisted_mail_goes_with_the_next_pass(api: Api, post: Post) -> None:
    post.script.greylist = True
    _set_up(api, "grey", post.port)
    api.fail("grey")

    assert "450 4.2.0 Greylisted" in _told(api, "grey")["message"]
    delivery = _sent_by_pass(api, "grey")

    assert [one["state"] for one in delivery["recipients"]] == ["accepted"]
    assert post.commands("RCPT") == 2
    assert len(post.box.mails) == 1


def test_a_connection_that_ends_within_a_pass_is_opened_again_and_nothing_waits(
    api: Api, post: Post
) -> None:
    api.mail_system("Limited", post.port)
    names = [f"limited-{number}" for number in range(6)]
    for name in names:
        api.register(name, "Limited", **PASS)
        api.fail(name)
    good, full = "250 2.1.0 Ok", "421 4.7.0 Too many mails on this connection"
    post.script.once = {"MAIL": [good, good, full, good, full]}

    api.run_pass()

    post.wait(6)
    for name in names:
        assert [one["verdict"] for one in _sent(api, name)["attempts"]] == ["ok"]
    assert post.box.counts["connections"] == 3
    assert (len(post.by_delivery()), post.doubles) == (6, 0)


def test_a_time_out_in_data_is_not_said_to_be_sent_and_nothing_comes_twice(
    api: Api, post: Post
) -> None:
    _set_up(api, "slow", post.port)
    api.mail_system("slow", post.port, timeout=1)
    post.script.replies = {"DATA": SILENCE}
    api.fail("slow")

    other = _told(api, "slow")
    assert other["reason"] == "timeout"
    assert "did not finish DATA within the TimeOut" in other["message"]
    post.script.replies = {}
    delivery = _sent_by_pass(api, "slow")

    assert [one["verdict"] for one in delivery["attempts"]] == ["failed", "ok"]
    assert len(post.box.mails) == 1


def test_a_drop_after_the_dot_may_have_been_sent_and_the_copy_has_the_same_message_id(
    api: Api, post: Post
) -> None:
    _set_up(api, "dropped", post.port)
    post.script.silent_taker = True
    post.script.once = {"DOT": [DROP]}
    api.fail("dropped")

    assert "The mail may have been sent." in _told(api, "dropped")["message"]
    delivery = _sent_by_pass(api, "dropped")

    first, second = delivery["attempts"]
    assert (first["verdict"], second["verdict"]) == ("unknown", "ok")
    assert "may have been sent" in first["answer"]
    one, two = post.messages
    assert one["Message-ID"] == two["Message-ID"]
    assert post.doubles == 1


def test_no_wrong_certificate_gets_a_login_and_the_mail_goes_once_its_ca_is_added(
    api: Api,
) -> None:
    ca = certificates.authority().pem
    wrong = [
        (certificates.wrong_name(), ca, "is for other.example, not localhost"),
        (certificates.expired(), ca, "has expired"),
        (certificates.self_signed(), ca, "is self-signed"),
        (certificates.right(), None, "comes from an unknown CA"),
    ]
    options = {"server": "localhost", **STARTTLS, **LOGIN}
    _set_up(api, "guarded", free_port(), **options)
    api.fail("guarded")
    _told(api, "guarded")
    for made, known, said in wrong:
        with Relay(made.server_context(), login=("tocsin", PASSWORD)) as relay:
            api.mail_system("guarded", relay.port, **options, caPem=known)
            api.run_pass()
            eventually(said, partial(_says, api, "guarded", said))
            steps = _check(api, "guarded")
            assert said in steps["tls"]["text"]
            assert steps["auth"]["text"] == "Not reached."
            assert (relay.logins, relay.mails) == ([], [])
            if known is None:
                api.mail_system("guarded", relay.port, **options, caPem=ca)
                _sent_by_pass(api, "guarded")
                assert (len(relay.logins), len(relay.mails)) == (1, 1)
                assert all(step["ok"] for step in _check(api, "guarded").values())
                assert len(relay.mails) == 1


def _says(api: Api, name: str, said: str) -> bool:
    other = _told(api, name)
    return said in other["message"] and other["reason"] == "tls"


def _check(api: Api, name: str) -> dict[str, dict[str, Any]]:
    """Check a system; return its steps by name."""
    answer = api.sure("POST", f"/systems/{name}/check").of(200)
    return {step["name"]: step for step in answer["steps"]}


@pytest.mark.parametrize("announced", [True, False])
def test_a_server_that_takes_only_small_mails_holds_up_nobody_else(
    api: Api, post: Post, announced: bool
) -> None:
    name = f"small-{announced}".lower()
    _set_up(api, name, post.port)
    if announced:
        post.script.size = 500
    else:
        post.script.once = {"DOT": ["552 5.3.4 Message too big"] * 2}
    api.fail(name)

    other = _told(api, name)
    assert other["reason"] == "too_large"
    assert ("takes at most 500" in other["message"]) is announced
    assert " bytes" in other["message"]
    (lane,) = api.items("/lanes", system=name)
    assert lane["state"] == "normal"
    post.script.size, post.script.once = 0, {}
    _sent_by_pass(api, name)
    assert len(post.box.mails) == 1
