"""A mail that is refused, in an operator's words: why, whose fault it is, and what to do."""

from __future__ import annotations

from app.channels.base import ChannelError, Verdict
from app.channels.smtp_hello import size_limit
from app.channels.smtp_replies import LOGIN, Reply, configuration, reason, state, too_large
from app.channels.smtp_wire import Wire
from app.domain.kinds import Fail, RecipientState

_FINAL = 5
_RELAY = "Is a login needed, or may this machine not relay there?"
_SENDER = "Check Sender Email-id and Bounce Email-Id."
_CONTENT = "Ask who runs that server what its filter has against the mail."
_LATER = "Try again later, or see the log of that server."
_SIZE = "Raise the limit of that server, or send without Error Trace."
_ADDRESS = "Correct the address, or ask who runs that mailbox."


def unfit(wire: Wire, size: int) -> ChannelError | None:
    """Return the error of a mail of `size` bytes that the server has said it does not take."""
    limit = size_limit(wire)
    if not limit or size <= limit:
        return None
    text = f"The mail has {size:,} bytes, {wire.where} takes at most {limit:,}."
    return wire.refused(text, Fail.TOO_LARGE, endpoint=False, advice=_SIZE)


def sender(wire: Wire, address: str, size: int, reply: Reply) -> ChannelError:
    """Return the error of a refused MAIL: the endpoint's, but for its size."""
    if too_large(reply):
        return mail(wire, size, reply)
    text = f"{wire.where} refused the sender {address}: {reply}"
    advice = _SENDER if reply.code // 100 == _FINAL else _LATER
    return wire.refused(text, reason(reply), reply, advice=advice)


def everybody(wire: Wire, address: str, reply: Reply) -> ChannelError:
    """Return the error of recipients of whom none may be sent to from here; `address` is one."""
    text = f"{wire.where} refused {address}: {reply}"
    login = reply.code in LOGIN
    return wire.refused(text, reason(reply), reply, endpoint=login, advice=_RELAY)


def mail(wire: Wire, size: int, reply: Reply) -> ChannelError:
    """Return the error of a mail that is refused as a whole; only a missing login is not its own.

    Of one that is too large the error names both sizes, as far as they are known.
    """
    why = reason(reply)
    if why is Fail.TOO_LARGE:
        limit = size_limit(wire)
        takes = f"takes at most {limit:,}" if limit else "does not say how many it takes"
        text = f"{wire.where} refused the mail: {reply}. It has {size:,} bytes, the server {takes}."
        return wire.refused(text, why, reply, endpoint=False, advice=_SIZE)
    login = reply.code in LOGIN
    advice = _RELAY if login else _CONTENT if reply.code // 100 == _FINAL else _LATER
    text = f"{wire.where} refused the mail: {reply}"
    return wire.refused(text, why, reply, endpoint=login, advice=advice)


def verdict(address: str, reply: Reply) -> Verdict:
    """Return what a reply to RCPT says of the recipient."""
    found = state(reply)
    advice = ""
    if found is RecipientState.REJECTED:
        advice = _SIZE if too_large(reply) else _ADDRESS
    elif found is RecipientState.DEFERRED and configuration(reply):
        advice = _RELAY
    return Verdict(address, found, reply.code, reply.line, advice)
