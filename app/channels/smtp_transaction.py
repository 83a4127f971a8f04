"""One mail over an open connection: envelope, data, a verdict for each recipient."""

from __future__ import annotations

import re
from contextlib import suppress

from app import failpoints
from app.channels import smtp_refusals as refusals
from app.channels.base import ChannelError, Outgoing, Receipt
from app.channels.smtp_replies import START, Reply, configuration, too_large
from app.channels.smtp_wire import PIPELINING, Wire
from app.domain.kinds import Fail

ENVELOPE = ("MAIL FROM", "RCPT TO")
_PATH = re.compile(r"[!-;=?-~]*")


def transact(wire: Wire, message: Outgoing) -> Receipt:
    """Send one mail and leave the connection ready for another, or closed; raises ChannelError.

    DATA is only sent when at least one recipient was accepted.
    """
    _check(message)
    body = _lines(message.body)
    parameters = _parameters(wire, body)
    failpoints.reach(7)
    try:
        replies = _envelope(wire, message, parameters, len(body))
        taken = any(reply.ok for reply in replies)
        last = _data(wire, body) if taken else replies[-1]
    except ChannelError:
        _reset(wire)
        raise
    if not taken:
        _reset(wire)
    verdicts = tuple(map(refusals.verdict, message.recipients, replies))
    return Receipt(last.code, str(last), verdicts, transcript=wire.transcript.text())


def _lines(body: bytes) -> bytes:
    """Return `body` in lines that end with CRLF, the last one as well: what SIZE counts."""
    plain = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    whole = plain if plain.endswith(b"\n") else plain + b"\n"
    return whole.replace(b"\n", b"\r\n")


def _check(message: Outgoing) -> None:
    """Refuse an envelope that cannot be said in one line; the forms let none through."""
    wrong = [part for part in (message.sender, *message.recipients) if not _PATH.fullmatch(part)]
    if wrong or not message.recipients:
        text = f"{wrong[0]!r} is not a mail address." if wrong else "The mail has no recipient."
        advice = "Correct Sender Email-id and Bounce Email-Id, or the recipients."
        raise ChannelError(
            text, advice=advice, reason=Fail.CLIENT_ERROR, endpoint=False, permanent=True
        )


def _parameters(wire: Wire, body: bytes) -> str:
    """Return what MAIL says of the body; raises ChannelError when the server takes less."""
    error = refusals.unfit(wire, len(body))
    if error is not None:
        raise error
    size = f" SIZE={len(body)}" if "SIZE" in wire.features else ""
    wide = "8BITMIME" in wire.features and not body.isascii()
    return f"{size} BODY=8BITMIME" if wide else size


def _envelope(wire: Wire, message: Outgoing, parameters: str, size: int) -> list[Reply]:
    """Return the reply to each recipient; raises ChannelError where no mail could be taken."""
    lines = [f"MAIL FROM:<{message.sender}>{parameters}"]
    lines += [f"RCPT TO:<{address}>" for address in message.recipients]
    conversation = wire.converse(lines)
    first = next(conversation)
    if not first.ok:
        if PIPELINING in wire.features:
            list(conversation)  # the answers to what is on its way already
        raise refusals.sender(wire, message.sender, size, first)
    replies = list(conversation)
    if all(map(configuration, replies)):
        raise refusals.everybody(wire, message.recipients[0], replies[0])
    if all(map(too_large, replies)):
        raise refusals.mail(wire, size, replies[0])
    return replies


def _data(wire: Wire, body: bytes) -> Reply:
    """Send the body and return the answer to it."""
    reply = wire.command("DATA")
    if reply.code == START:
        wire.stage = "the message"
        wire.transcript.client(f"<{len(body)} bytes>")
        wire.write(_stuffed(body))
        wire.stage, wire.maybe_sent = "the answer to the message", True
        failpoints.reach(14)
        reply = wire.read()
    if not reply.ok:
        raise refusals.mail(wire, len(body), reply)
    return reply


def _stuffed(body: bytes) -> bytes:
    """Return `body` as DATA wants it (RFC 5321, 4.5.2): dots doubled, a dot alone at its end."""
    return (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def _reset(wire: Wire) -> None:
    with suppress(ChannelError):
        if not wire.closed and not wire.command("RSET").ok:
            wire.close()
