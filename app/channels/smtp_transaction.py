"""One mail over an open connection: envelope, data, a verdict for each recipient."""

from __future__ import annotations

import re
from contextlib import suppress

from app import failpoints
from app.channels.base import ChannelError, Outgoing, Receipt, Verdict
from app.channels.smtp_replies import LOGIN, START, Reply, configuration, reason, state, too_large
from app.channels.smtp_wire import PIPELINING, Wire
from app.domain.kinds import Fail

ENVELOPE = ("MAIL FROM", "RCPT TO")
_PATH = re.compile(r"[!-;=?-~]*")
_RELAY = " - is a login needed, or may this machine not relay there?"
_SENDER = " - check Sender Email-id and Bounce Email-Id."


def transact(wire: Wire, message: Outgoing) -> Receipt:
    """Send one mail and leave the connection ready for another, or closed; raises ChannelError.

    DATA is only sent when at least one recipient was accepted.
    """
    _check(message)
    body = message.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    parameters = _parameters(wire, body)
    failpoints.reach(7)
    try:
        replies = _envelope(wire, message, parameters)
        taken = any(reply.ok for reply in replies)
        last = _data(wire, body) if taken else replies[-1]
    except ChannelError:
        _reset(wire)
        raise
    if not taken:
        _reset(wire)
    verdicts = tuple(map(_verdict, message.recipients, replies))
    return Receipt(last.code, str(last), verdicts, transcript=wire.transcript.text())


def _check(message: Outgoing) -> None:
    """Refuse an envelope that cannot be said in one line; the forms let none through."""
    wrong = [part for part in (message.sender, *message.recipients) if not _PATH.fullmatch(part)]
    if wrong or not message.recipients:
        text = f"{wrong[0]!r} is not a mail address." if wrong else "The mail has no recipient."
        raise ChannelError(text, reason=Fail.CLIENT_ERROR, endpoint=False, permanent=True)


def _parameters(wire: Wire, body: bytes) -> str:
    """Return what MAIL says of the body; raises ChannelError when the server takes less."""
    limit = wire.features.get("SIZE", "")
    if limit.isdecimal() and 0 < int(limit) < len(body):
        text = f"The mail has {len(body):,} bytes, {wire.where} takes at most {int(limit):,}."
        raise wire.refused(text, Fail.TOO_LARGE, endpoint=False)
    size = f" SIZE={len(body)}" if "SIZE" in wire.features else ""
    wide = "8BITMIME" in wire.features and not body.isascii()
    return f"{size} BODY=8BITMIME" if wide else size


def _envelope(wire: Wire, message: Outgoing, parameters: str) -> list[Reply]:
    """Return the reply to each recipient; raises ChannelError where no mail could be taken."""
    lines = [f"MAIL FROM:<{message.sender}>{parameters}"]
    lines += [f"RCPT TO:<{address}>" for address in message.recipients]
    conversation = wire.converse(lines)
    first = next(conversation)
    if not first.ok:
        if PIPELINING in wire.features:
            list(conversation)  # the answers to what is on its way already
        raise _refused(wire, f"the sender {message.sender}", first, _SENDER, endpoint=True)
    replies = list(conversation)
    if all(map(configuration, replies)):
        raise _refused(wire, message.recipients[0], replies[0], _RELAY)
    if all(map(too_large, replies)):
        raise _refused(wire, "the mail", replies[0])
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
        raise _refused(wire, "the mail", reply)
    return reply


def _stuffed(body: bytes) -> bytes:
    """Return `body` as DATA wants it (RFC 5321, 4.5.2): dots doubled, a dot alone at its end."""
    lines = b"\r\n" + body if body.endswith(b"\r\n") else b"\r\n" + body + b"\r\n"
    return lines.replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def _refused(
    wire: Wire, what: str, reply: Reply, advice: str = "", *, endpoint: bool = False
) -> ChannelError:
    """Return the error of a refusal; a missing login is the endpoint's, size is the mail's."""
    why = reason(reply)
    whose = (endpoint or reply.code in LOGIN) and why is not Fail.TOO_LARGE
    return wire.refused(f"{wire.where} refused {what}: {reply}{advice}", why, reply, endpoint=whose)


def _reset(wire: Wire) -> None:
    with suppress(ChannelError):
        if not wire.closed and not wire.command("RSET").ok:
            wire.close()


def _verdict(address: str, reply: Reply) -> Verdict:
    return Verdict(address, state(reply), reply.code, reply.line)
