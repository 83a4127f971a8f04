"""One connection for many mails, opened again when it ended, and ended at the deadline."""

from __future__ import annotations

import re
import ssl
from typing import Any

import pytest

from app import clock
from app.channels.base import ChannelError
from app.domain.kinds import Fail
from tests.channels.smtp_system import (
    CHANNEL,
    failed_open,
    failed_send,
    mail,
    options,
    secrets,
    session,
)
from tests.servers import certificates
from tests.servers.sink import DROP, SILENCE, Script, Sink

GENEROUS = 10.0  # seconds: this machine is shared, and a missing deadline would be far later


def test_many_mails_share_one_connection_which_ends_with_quit() -> None:
    with Sink() as sink:
        with session(sink.port) as opened:
            for index in range(50):
                opened.send(mail(f"a{index}@example.org"))

    assert sink.connections == 1
    assert len(sink.mails) == 50
    assert sink.box.verbs.count("RSET") == 0
    assert sink.box.verbs[-1] == "QUIT"


def test_a_refused_mail_is_followed_by_rset_and_the_connection_stays() -> None:
    script = Script(once={"DOT": ["554 5.6.0 No"]})
    with Sink(script) as sink, session(sink.port) as opened:
        failed_send(opened, mail())
        assert sink.box.verbs[-1] == "RSET"
        opened.send(mail())

    assert sink.connections == 1


def test_when_rset_fails_the_next_mail_opens_a_new_connection() -> None:
    script = Script(once={"DOT": ["554 5.6.0 No"], "RSET": ["500 What?"]})
    with Sink(script) as sink, session(sink.port) as opened:
        failed_send(opened, mail())
        opened.send(mail())

    assert sink.connections == 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize("reply", ["421 4.7.0 Too many mails on this connection", DROP])
@pytest.mark.parametrize("extensions", [["PIPELINING"], []])
def test_a_kept_connection_that_has_ended_is_opened_again_within_the_attempt(
    verb: str, reply: str, extensions: list[str]
) -> None:
    script = Script(extensions=extensions)
    with Sink(script) as sink, session(sink.port) as opened:
        opened.send(mail())
        script.once[verb] = [reply]
        assert opened.send(mail()).status == 250

    assert sink.connections == 2
    assert len(sink.mails) == 2


def test_a_new_connection_that_ends_at_once_is_a_failed_attempt() -> None:
    script = Script()
    with Sink(script) as sink, session(sink.port) as opened:
        opened.send(mail())
        script.replies["MAIL"] = "421 4.3.2 Shutting down"
        error = failed_send(opened, mail())

    assert (error.reason, error.endpoint, error.status) == (Fail.SERVER_ERROR, True, 421)
    assert sink.connections == 2


def test_after_a_failed_attempt_the_next_one_opens_a_new_connection() -> None:
    script = Script(once={"DOT": [DROP]})
    with Sink(script) as sink, session(sink.port) as opened:
        failed_send(opened, mail())
        assert opened.send(mail()).status == 250

    assert sink.connections == 2


@pytest.mark.parametrize(
    "script",
    [
        Script(black_hole=True),
        Script(replies={"CONNECT": SILENCE}),
        Script(replies={"EHLO": SILENCE}),
        Script(drip=0.2),
    ],
    ids=["black hole", "no greeting", "no answer to EHLO", "dripping greeting"],
)
def test_opening_ends_at_the_deadline_however_the_server_stalls(script: Script) -> None:
    with Sink(script) as sink:
        before = clock.monotonic()
        error = failed_open(sink.port, timeout=1)
        took = clock.monotonic() - before

    assert (error.reason, error.endpoint) == (Fail.TIMEOUT, True)
    assert 0.9 <= took < GENEROUS
    assert "within the TimeOut" in str(error)


def test_a_silent_port_asks_whether_it_expects_tls() -> None:
    with Sink(Script(black_hole=True)) as sink:
        assert "Does this port expect TLS" in str(failed_open(sink.port, timeout=1))


def test_a_tls_handshake_that_never_comes_ends_at_the_deadline() -> None:
    with Sink(Script(black_hole=True)) as sink:
        before = clock.monotonic()
        error = failed_open(sink.port, timeout=1, encryption="tls")

    assert error.reason is Fail.TIMEOUT
    assert clock.monotonic() - before < GENEROUS


@pytest.mark.parametrize(
    "changes",
    [
        {"replies": {"MAIL": SILENCE}},
        {"replies": {"RCPT": SILENCE}},
        {"replies": {"DATA": SILENCE}},
        {"drip": 0.2},
        {"deaf": True},
    ],
    ids=["MAIL", "RCPT", "DATA", "dripping", "body not read"],
)
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "TLS"])
def test_sending_ends_at_the_deadline_however_the_server_stalls(
    changes: dict[str, Any], tls: bool
) -> None:
    script, context = Script(), server_context() if tls else None
    more: dict[str, Any] = {"encryption": "tls", "verifyTls": False} if tls else {}
    with Sink(script, context=context) as sink:
        with session(sink.port, timeout=1.5, **more) as opened:
            for name, value in changes.items():
                setattr(script, name, value)
            before = clock.monotonic()
            error = failed_send(opened, mail(body=b"x\r\n" * 10_000_000))
            took = clock.monotonic() - before

    assert (error.reason, error.endpoint, error.maybe_sent) == (Fail.TIMEOUT, True, False)
    assert took < GENEROUS


def server_context() -> ssl.SSLContext:
    return certificates.right("127.0.0.1").server_context()


def test_opening_counts_towards_the_time_of_the_first_mail() -> None:
    with Sink(Script(delays={"CONNECT": 1.5}, replies={"MAIL": SILENCE})) as sink:
        before = clock.monotonic()
        opened = CHANNEL.connect(options(sink.port, timeout=3), secrets())
        middle = clock.monotonic()
        error = failed_send(opened, mail())
        after = clock.monotonic()

    assert error.reason is Fail.TIMEOUT
    assert middle - before >= 1.4
    assert after - middle < 2.5
    opened.close()


@pytest.mark.parametrize("endless", ["250-more\r\n" * 20_000 + "250 ok", "2" * 300_000])
def test_an_endless_reply_is_cut_off(endless: str) -> None:
    with Sink(Script(replies={"EHLO": endless})) as sink:
        error = failed_open(sink.port)

    assert error.reason is Fail.CONNECTION
    assert len(str(error)) < 300


@pytest.mark.parametrize("reply", [DROP, SILENCE, "500 no"])
def test_closing_never_raises_and_may_be_repeated(reply: str) -> None:
    with Sink(Script(replies={"QUIT": reply})) as sink:
        opened = CHANNEL.connect(options(sink.port), secrets())
        before = clock.monotonic()
        opened.close()
        opened.close()

    assert clock.monotonic() - before < GENEROUS


def test_after_close_a_further_mail_opens_again() -> None:
    with Sink() as sink, session(sink.port) as opened:
        opened.close()
        assert opened.send(mail()).status == 250


def test_ehlo_says_a_full_name_or_an_address_literal() -> None:
    with Sink() as sink, session(sink.port):
        said = sink.box.commands[0]

    assert re.fullmatch(r"EHLO (\[127\.0\.0\.1\]|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)", said)


def test_nothing_but_a_channel_error_leaves_a_closed_server() -> None:
    with Sink() as sink:
        opened = CHANNEL.connect(options(sink.port), secrets())
        opened.send(mail())
    with pytest.raises(ChannelError) as caught:
        opened.send(mail())

    assert caught.value.reason is Fail.CONNECTION
    opened.close()
