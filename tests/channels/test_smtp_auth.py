"""Logging in: only when asked to, only over TLS unless allowed, and the password never shows."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from app.channels.base import ChannelError
from app.domain.kinds import Fail
from tests.channels.smtp_system import (
    CHANNEL,
    PASSWORD,
    SENDER,
    failed_open,
    mail,
    options,
    session,
)
from tests.servers.relay import Relay
from tests.servers.sink import Script, Sink

CLEAR: dict[str, Any] = {"authenticationRequired": True, "allowAuthWithoutTls": True}


def coded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


@pytest.mark.parametrize(
    ("without", "used"),
    [
        ((), "CRAM-MD5"),
        (("CRAM-MD5",), f"PLAIN {coded(chr(0) + SENDER + chr(0) + PASSWORD)}"),
        (("CRAM-MD5", "PLAIN"), "LOGIN"),
    ],
)
def test_each_mechanism_logs_in_with_any_letters_and_clear_text_prefers_the_hashed_one(
    without: tuple[str, ...], used: str
) -> None:
    server = Relay(login=(SENDER, PASSWORD), in_clear=True, without=without)
    with server, session(server.port, **CLEAR) as opened:
        receipt = opened.send(mail())

    assert server.logins == [used]
    assert len(server.mails) == 1
    assert PASSWORD not in receipt.transcript
    assert coded(PASSWORD) not in receipt.transcript


def test_another_user_name_may_be_given() -> None:
    server = Relay(login=("operator", PASSWORD), in_clear=True)
    with server, session(server.port, username="operator", **CLEAR) as opened:
        opened.send(mail())

    assert server.mails[0].mail_from == SENDER


def test_no_login_means_no_auth_even_where_it_is_offered() -> None:
    with Sink(Script(extensions=["AUTH PLAIN"])) as sink, session(sink.port) as opened:
        opened.send(mail())

    assert "AUTH" not in sink.box.verbs


def test_a_refused_login_is_a_fault_of_the_configuration() -> None:
    with Relay(login=(SENDER, "another"), in_clear=True) as server:
        error = failed_open(server.port, **CLEAR)

    assert (error.reason, error.endpoint, error.status) == (Fail.AUTH_ERROR, True, 535)
    assert f"refused the login of {SENDER}: 535 5.7.8" in str(error)
    assert "Check user name and Password." in str(error)
    assert len(server.logins) == 1


def test_a_server_that_cannot_check_the_login_now_is_tried_later() -> None:
    script = Script(extensions=["AUTH PLAIN"], replies={"AUTH": "454 4.7.0 Try again"})
    with Sink(script) as sink:
        assert failed_open(sink.port, **CLEAR).reason is Fail.SERVER_ERROR


@pytest.mark.parametrize(
    ("offered", "said"), [(["AUTH XOAUTH2 GSSAPI"], "only XOAUTH2, GSSAPI"), ([], "no login")]
)
def test_a_server_without_a_known_mechanism_is_explained(offered: list[str], said: str) -> None:
    with Sink(Script(extensions=offered)) as sink:
        error = failed_open(sink.port, **CLEAR)

    assert error.reason is Fail.AUTH_ERROR
    assert said in str(error)
    assert "AUTH" not in sink.box.verbs


def test_a_mechanism_that_is_not_taken_leaves_the_next_one() -> None:
    script = Script(extensions=["AUTH CRAM-MD5 PLAIN"], once={"AUTH": ["504 5.5.4 No"]})
    script.replies["AUTH"] = "235 2.7.0 Ok"
    with Sink(script) as sink, session(sink.port, **CLEAR) as opened:
        opened.send(mail())

    assert [line.split()[1] for line in sink.box.commands if line.startswith("AUTH")] == [
        "CRAM-MD5",
        "PLAIN",
    ]


@pytest.mark.parametrize("challenge", ["334 ", "334 not*base64", "334 " + coded("again")])
def test_challenges_without_end_or_sense_are_cancelled(challenge: str) -> None:
    script = Script(extensions=["AUTH LOGIN"], replies={"AUTH": challenge})
    script.replies[coded(SENDER).upper()] = challenge
    script.replies[coded(PASSWORD).upper()] = challenge
    with Sink(script) as sink:
        error = failed_open(sink.port, **CLEAR)

    assert error.reason in (Fail.AUTH_ERROR, Fail.CLIENT_ERROR)
    assert PASSWORD not in str(error)


def test_without_leave_no_password_crosses_an_unencrypted_connection() -> None:
    with Sink(Script(extensions=["AUTH PLAIN"])) as sink:
        error = failed_open(sink.port, authenticationRequired=True)

    assert error.reason is Fail.AUTH_ERROR
    assert "Choose STARTTLS or TLS." in str(error)
    assert sink.box.verbs == ["EHLO"]


def test_a_login_is_never_tried_with_an_empty_password() -> None:
    with Sink(Script(extensions=["AUTH PLAIN"])) as sink:
        with pytest.raises(ChannelError, match="There is no Password") as caught:
            CHANNEL.connect(options(sink.port, **CLEAR), {})

    assert caught.value.reason is Fail.AUTH_ERROR
    assert "AUTH" not in sink.box.verbs


@pytest.mark.parametrize(
    "echo",
    [
        PASSWORD,
        coded(PASSWORD),
        coded(f"\0{SENDER}\0{PASSWORD}"),
        f"you said {PASSWORD} and {coded(PASSWORD)}",
    ],
)
def test_a_server_that_repeats_the_password_does_not_get_it_shown(echo: str) -> None:
    script = Script(extensions=["AUTH PLAIN"], replies={"AUTH": f"535 5.7.8 {echo}"})
    with Sink(script) as sink:
        error = failed_open(sink.port, **CLEAR)

    shown = f"{error} {error.answer} {error.transcript}"
    assert PASSWORD not in shown
    assert coded(PASSWORD) not in shown
    assert coded(f"\0{SENDER}\0{PASSWORD}") not in shown
    assert "***" in error.answer
