"""Every refusal and break over SMTP: its reason, whose fault it is, and whether it may be sent."""

from __future__ import annotations

import pytest

from app.domain.kinds import Fail
from tests.channels.smtp_system import closed_port, failed_open, failed_send, mail, session
from tests.servers.sink import DROP, SILENCE, Script, Sink

ENDPOINT, MAIL = True, False


@pytest.mark.parametrize(
    ("verb", "reply", "reason"),
    [
        ("CONNECT", "554 5.7.1 Go away", Fail.AUTH_ERROR),
        ("CONNECT", "554 No SMTP service here", Fail.SERVER_ERROR),
        ("CONNECT", "421 4.3.2 Busy", Fail.SERVER_ERROR),
        ("CONNECT", "450 Later", Fail.SERVER_ERROR),
        ("CONNECT", DROP, Fail.CONNECTION),
        ("CONNECT", "SSH-2.0-OpenSSH_9", Fail.CONNECTION),
        ("CONNECT", "HTTP/1.1 400 Bad Request", Fail.CONNECTION),
        ("EHLO", "550 5.7.1 Unknown host", Fail.AUTH_ERROR),
        ("EHLO", "450 Later", Fail.SERVER_ERROR),
        ("EHLO", "421 Bye", Fail.SERVER_ERROR),
        ("EHLO", DROP, Fail.CONNECTION),
    ],
)
def test_a_fault_before_the_mail_is_the_endpoints(verb: str, reply: str, reason: Fail) -> None:
    with Sink(Script(replies={verb: reply})) as sink:
        error = failed_open(sink.port)

    assert (error.reason, error.endpoint, error.maybe_sent) == (reason, ENDPOINT, False)
    assert f"127.0.0.1:{sink.port}" in str(error)


@pytest.mark.parametrize("extensions", [["PIPELINING"], []])
@pytest.mark.parametrize(
    ("verb", "reply", "reason", "endpoint"),
    [
        ("MAIL", "451 4.3.0 Later", Fail.SERVER_ERROR, ENDPOINT),
        ("MAIL", "550 5.1.8 Sender unknown", Fail.CLIENT_ERROR, ENDPOINT),
        ("MAIL", "550 5.7.60 May not send as", Fail.AUTH_ERROR, ENDPOINT),
        ("MAIL", "530 5.7.0 Login first", Fail.AUTH_ERROR, ENDPOINT),
        ("MAIL", "452 4.3.1 Disk full", Fail.SERVER_ERROR, ENDPOINT),
        ("MAIL", "421 4.7.0 Bye", Fail.SERVER_ERROR, ENDPOINT),
        ("MAIL", DROP, Fail.CONNECTION, ENDPOINT),
        ("MAIL", "552 5.3.4 Too big", Fail.TOO_LARGE, MAIL),
        ("RCPT", "530 5.7.0 Login first", Fail.AUTH_ERROR, ENDPOINT),
        ("RCPT", "550 5.7.1 No relay", Fail.AUTH_ERROR, MAIL),
        ("RCPT", "552 5.3.4 Too big", Fail.TOO_LARGE, MAIL),
        ("RCPT", "421 4.7.0 Bye", Fail.SERVER_ERROR, ENDPOINT),
        ("RCPT", DROP, Fail.CONNECTION, ENDPOINT),
        ("DATA", "451 4.3.0 Later", Fail.SERVER_ERROR, MAIL),
        ("DATA", "554 5.6.0 No", Fail.CLIENT_ERROR, MAIL),
        ("DATA", "421 Bye", Fail.SERVER_ERROR, ENDPOINT),
        ("DATA", DROP, Fail.CONNECTION, ENDPOINT),
        ("DOT", "451 4.3.0 Later", Fail.SERVER_ERROR, MAIL),
        ("DOT", "554 5.6.0 Content refused", Fail.CLIENT_ERROR, MAIL),
        ("DOT", "550 5.7.1 Spam", Fail.AUTH_ERROR, MAIL),
        ("DOT", "552 5.3.4 Too big", Fail.TOO_LARGE, MAIL),
        ("DOT", "552 Too big", Fail.TOO_LARGE, MAIL),
        ("DOT", "421 4.3.2 Shutting down", Fail.SERVER_ERROR, ENDPOINT),
    ],
)
def test_a_refusal_says_its_reason_and_whose_fault_it_is(
    verb: str, reply: str, reason: Fail, endpoint: bool, extensions: list[str]
) -> None:
    script = Script(once={verb: [reply]}, extensions=extensions)
    with Sink(script) as sink, session(sink.port) as opened:
        error = failed_send(opened, mail())
        assert sink.mails == []
        assert opened.send(mail()).status == 250

    assert (error.reason, error.endpoint) == (reason, endpoint)
    assert error.permanent is (reason is Fail.TOO_LARGE)
    assert not error.maybe_sent
    assert error.answer == ("" if reply == DROP else reply)
    assert len(sink.mails) == 1


def test_a_drop_after_the_dot_may_have_been_sent_and_is_not_repeated() -> None:
    with Sink(Script(replies={"DOT": DROP})) as sink, session(sink.port) as opened:
        first = failed_send(opened, mail())
        second = failed_send(opened, mail())

    for error in (first, second):
        assert (error.reason, error.endpoint) == (Fail.CONNECTION, ENDPOINT)
        assert error.maybe_sent
        assert "may have been sent" in str(error)
    assert sink.box.verbs.count("DATA") == 2


def test_a_time_out_after_the_dot_may_have_been_sent() -> None:
    with Sink(Script(replies={"DOT": SILENCE})) as sink, session(sink.port, timeout=1) as opened:
        error = failed_send(opened, mail())

    assert (error.reason, error.endpoint, error.maybe_sent) == (Fail.TIMEOUT, ENDPOINT, True)


def test_a_message_after_the_dot_that_is_answered_at_last_is_not_in_doubt() -> None:
    with Sink(Script(delays={"DOT": 0.2})) as sink, session(sink.port) as opened:
        assert opened.send(mail()).status == 250


def test_an_old_server_without_ehlo_gets_helo() -> None:
    with Sink(Script(replies={"EHLO": "502 5.5.1 What?"})) as sink, session(sink.port) as opened:
        assert opened.send(mail()).status == 250

    assert sink.box.verbs[:2] == ["EHLO", "HELO"]


def test_nobody_listening_is_said_with_host_and_port() -> None:
    port = closed_port()
    error = failed_open(port)

    assert (error.reason, error.endpoint) == (Fail.CONNECTION, ENDPOINT)
    assert str(error).startswith(f"Connection refused by 127.0.0.1:{port}. ")
