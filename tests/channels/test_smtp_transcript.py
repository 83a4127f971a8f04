"""The conversation that is kept of each attempt: readable, masked, short."""

from __future__ import annotations

from tests.channels.smtp_system import SENDER, failed_send, mail, session
from tests.servers.sink import DROP, Script, Sink


def test_it_reads_as_the_conversation_with_the_body_as_a_size() -> None:
    with Sink(Script(extensions=[])) as sink, session(sink.port) as opened:
        receipt = opened.send(mail(body=b"Subject: secret matters\r\n\r\nx\r\n"))

    assert receipt.transcript.splitlines() == [
        "S: 220 sink.test ESMTP",
        f"C: {sink.box.commands[0]}",
        "S: 250 sink.test",
        f"C: MAIL FROM:<{SENDER}>",
        "S: 250 2.1.0 Ok",
        "C: RCPT TO:<ann@example.org>",
        "S: 250 2.1.5 Ok",
        "C: DATA",
        "S: 354 End data with <CR><LF>.<CR><LF>",
        "C: <30 bytes>",
        "S: 250 2.0.0 Ok: queued as 00000001",
    ]


def test_a_further_mail_shows_only_its_own_part() -> None:
    with Sink() as sink, session(sink.port) as opened:
        opened.send(mail("first@example.org"))
        second = opened.send(mail("second@example.org"))

    assert second.transcript.splitlines()[0] == "   (connection kept from an earlier mail)"
    assert "first@example.org" not in second.transcript
    assert "second@example.org" in second.transcript


def test_a_failure_ends_it_with_what_happened() -> None:
    with Sink(Script(replies={"DATA": DROP})) as sink, session(sink.port) as opened:
        error = failed_send(opened, mail())

    assert error.transcript.splitlines()[-1] == f"   ({error.cause})"


def test_it_is_never_longer_than_8_kib_and_keeps_both_ends() -> None:
    long = {f"{index}-{'x' * 50}@example.org": f"250 {'é' * 900}" for index in range(50)}
    with Sink(Script(recipients=long)) as sink, session(sink.port) as opened:
        receipt = opened.send(mail(*long))

    assert len(receipt.transcript.encode()) <= 8192
    assert receipt.transcript.startswith("S: 220")
    assert "bytes left out" in receipt.transcript
    assert receipt.transcript.splitlines()[-1].startswith("S: 250 2.0.0 Ok: queued")


def test_what_a_server_says_stays_one_line() -> None:
    nasty = "554 5.0.0 a\x1b[31m\x07\u2028b"
    with Sink(Script(replies={"DATA": nasty})) as sink, session(sink.port) as opened:
        error = failed_send(opened, mail())

    assert error.answer == "554 5.0.0 a [31m b"
    assert "\x1b" not in error.transcript
