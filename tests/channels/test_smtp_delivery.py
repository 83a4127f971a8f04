"""A mail over SMTP: envelope, body, and a verdict for each recipient."""

from __future__ import annotations

import pytest

from app.channels.base import Outgoing
from app.domain.kinds import Fail
from tests.channels.smtp_system import SENDER, failed_send, mail, session, states
from tests.servers.relay import Relay
from tests.servers.sink import Script, Sink

PIPELINING = [["PIPELINING"], []]


@pytest.mark.parametrize("extensions", PIPELINING)
def test_a_mail_arrives_with_its_envelope_and_the_answer_holds_the_queue_id(
    extensions: list[str],
) -> None:
    with Sink(Script(extensions=extensions)) as sink, session(sink.port) as opened:
        receipt = opened.send(mail("ann@example.org", "bob@example.org"))

    assert (receipt.status, receipt.answer) == (250, "250 2.0.0 Ok: queued as 00000001")
    assert not receipt.confirmed
    assert states(receipt.recipients) == {
        "ann@example.org": "accepted",
        "bob@example.org": "accepted",
    }
    assert receipt.recipients[0].code == 250
    assert sink.mails[0].sender == SENDER
    assert sink.mails[0].recipients == ("ann@example.org", "bob@example.org")
    assert sink.mails[0].body == b"Subject: x\r\n\r\nhello\r\n"


@pytest.mark.parametrize(
    ("body", "arrived"),
    [
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb\rc", b"a\r\nb\r\nc\r\n"),
        (b".a\r\n.\r\n..b\r\n", b".a\r\n.\r\n..b\r\n"),
        (b".", b".\r\n"),
        (b"a\n.\nMAIL FROM:<evil@example.org>\n", b"a\r\n.\r\nMAIL FROM:<evil@example.org>\r\n"),
        (b"a\r.\rb", b"a\r\n.\r\nb\r\n"),
        ("é\r\n".encode(), "é\r\n".encode()),
        (b"x" * 200_000 + b"\r\n", b"x" * 200_000 + b"\r\n"),
    ],
)
def test_every_body_arrives_as_one_mail_with_its_dots_and_crlf(body: bytes, arrived: bytes) -> None:
    with Sink() as sink, session(sink.port) as opened:
        opened.send(mail(body=body))

    assert [kept.body for kept in sink.mails] == [arrived]


@pytest.mark.parametrize("extensions", PIPELINING)
def test_a_partial_refusal_keeps_accepted_deferred_and_rejected_apart(
    extensions: list[str],
) -> None:
    refused = {"b@example.org": "450 4.2.1 Busy", "c@example.org": "550 5.1.1 No such user"}
    with (
        Sink(Script(recipients=refused, extensions=extensions)) as sink,
        session(sink.port) as opened,
    ):
        receipt = opened.send(mail("a@example.org", "b@example.org", "c@example.org"))

    assert states(receipt.recipients) == {
        "a@example.org": "accepted",
        "b@example.org": "deferred",
        "c@example.org": "rejected",
    }
    assert [(one.code, one.text) for one in receipt.recipients][1:] == [
        (450, "4.2.1 Busy"),
        (550, "5.1.1 No such user"),
    ]
    assert sink.mails[0].recipients == ("a@example.org",)


@pytest.mark.parametrize("extensions", PIPELINING)
def test_when_all_are_refused_no_data_is_sent_and_the_next_mail_goes_out(
    extensions: list[str],
) -> None:
    refused = {"b@example.org": "450 4.2.1 Busy", "c@example.org": "550 5.1.1 No such user"}
    with (
        Sink(Script(recipients=refused, extensions=extensions)) as sink,
        session(sink.port) as opened,
    ):
        receipt = opened.send(mail("b@example.org", "c@example.org"))
        assert sink.box.verbs[-1] == "RSET"
        assert "DATA" not in sink.box.verbs
        assert opened.send(mail("a@example.org")).status == 250

    assert receipt.status == 550
    assert list(states(receipt.recipients).values()) == ["deferred", "rejected"]
    assert sink.connections == 1


def test_a_greylisted_recipient_is_deferred_and_then_accepted() -> None:
    with Sink(Script(greylist=True)) as sink, session(sink.port) as opened:
        first, second = opened.send(mail()), opened.send(mail())

    assert list(states(first.recipients).values()) == ["deferred"]
    assert list(states(second.recipients).values()) == ["accepted"]


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.7.1 Unable to relay",
        "554 5.7.1 Relay access denied",
        "550 relay not permitted",
        "530 5.7.0 Authentication required",
    ],
)
def test_a_refusal_to_relay_is_never_final_for_a_recipient(reply: str) -> None:
    with (
        Sink(Script(recipients={"b@example.org": reply})) as sink,
        session(sink.port) as opened,
    ):
        receipt = opened.send(mail("a@example.org", "b@example.org"))
        error = failed_send(opened, mail("b@example.org"))

    assert states(receipt.recipients) == {"a@example.org": "accepted", "b@example.org": "deferred"}
    assert error.reason is Fail.AUTH_ERROR
    assert error.answer == reply
    assert not error.permanent


def test_size_and_8bitmime_are_said_where_the_server_offers_them() -> None:
    script = Script(size=1000, extensions=["8BITMIME"])
    with Sink(script) as sink, session(sink.port) as opened:
        opened.send(mail(body=b"a\n"))
        opened.send(mail(body="é\n".encode()))
        script.size, script.extensions = 0, []
        with session(sink.port) as other:
            other.send(mail(body="é\n".encode()))

    mails = [line for line in sink.box.commands if line.startswith("MAIL")]
    assert mails == [
        f"MAIL FROM:<{SENDER}> SIZE=3",
        f"MAIL FROM:<{SENDER}> SIZE=4 BODY=8BITMIME",
        f"MAIL FROM:<{SENDER}>",
    ]


def test_a_mail_larger_than_the_server_takes_is_not_begun() -> None:
    with Sink(Script(size=100)) as sink, session(sink.port) as opened:
        error = failed_send(opened, mail(body=b"x" * 200))
        assert opened.send(mail()).status == 250

    assert (error.reason, error.endpoint, error.permanent) == (Fail.TOO_LARGE, False, True)
    assert error.cause == f"The mail has 202 bytes, 127.0.0.1:{sink.port} takes at most 100."
    assert error.advice == "Raise the limit of that server, or send without Error Trace."
    assert sink.box.verbs == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize("extensions", PIPELINING)
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize("reply", ["552 5.3.4 Too big", "552 Too big", "554 5.3.4 Too big"])
def test_a_mail_that_is_too_large_is_told_with_both_sizes_and_the_next_one_goes(
    verb: str, reply: str, extensions: list[str]
) -> None:
    script = Script(once={verb: [reply]}, extensions=extensions)
    with Sink(script) as sink, session(sink.port) as opened:
        error = failed_send(opened, mail(body=b"x" * 2000))
        assert opened.send(mail()).status == 250

    assert (error.reason, error.endpoint) == (Fail.TOO_LARGE, False)
    assert (error.permanent, error.maybe_sent) == (True, False)
    assert error.cause == (
        f"127.0.0.1:{sink.port} refused the mail: {reply}. It has 2,002 bytes, the server does "
        "not say how many it takes."
    )
    assert error.advice
    assert sink.connections == 1
    assert sink.box.verbs.count("RSET") == 1


def test_a_limit_that_is_lower_than_the_one_announced_is_told_with_that_one() -> None:
    script = Script(extensions=["SIZE 10000"], replies={"DOT": "552 5.3.4 Too big"})
    with Sink(script) as sink, session(sink.port) as opened:
        error = failed_send(opened, mail(body=b"x" * 2000))

    assert "It has 2,002 bytes, the server takes at most 10,000." in str(error)


def test_a_recipient_whose_mailbox_is_full_or_small_is_refused_alone() -> None:
    said = {"b@example.org": "552 5.2.2 Mailbox full", "c@example.org": "552 5.2.3 Too long"}
    with Sink(Script(recipients=said)) as sink, session(sink.port) as opened:
        receipt = opened.send(mail("a@example.org", *said))

    assert list(states(receipt.recipients).values()) == ["accepted", "rejected", "rejected"]
    assert [one.advice for one in receipt.recipients] == [
        "",
        "Correct the address, or ask who runs that mailbox.",
        "Raise the limit of that server, or send without Error Trace.",
    ]


@pytest.mark.parametrize("address", ["a b@c.org", "a@b.org>\r\nRSET", "a@b.org\r\nDATA", "ä@b.org"])
def test_an_address_that_could_carry_a_command_is_never_sent(address: str) -> None:
    with Sink() as sink, session(sink.port) as opened:
        errors = [
            failed_send(opened, mail("a@example.org", address)),
            failed_send(opened, Outgoing(address, ("a@example.org",), b"x")),
            failed_send(opened, Outgoing(SENDER, (), b"x")),
        ]

    assert {(error.reason, error.endpoint, error.permanent) for error in errors} == {
        (Fail.CLIENT_ERROR, False, True)
    }
    assert sink.box.verbs == ["EHLO", "QUIT"]


def test_a_real_server_takes_the_mail_as_well() -> None:
    with Relay() as relay, session(relay.port) as opened:
        receipt = opened.send(mail("ann@example.org", body=b"Subject: x\n\n.dot\n"))

    assert receipt.answer == "250 2.0.0 Ok: queued as RELAY"
    assert relay.mails[0].rcpt_tos == ["ann@example.org"]
    assert relay.mails[0].content == b"Subject: x\r\n\r\n.dot\r\n"
