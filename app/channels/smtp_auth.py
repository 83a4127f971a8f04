"""Logging in to a mail server: PLAIN, LOGIN, CRAM-MD5 (RFC 4954, 4616, 2195), never shown."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable

from app.channels.base import ChannelError
from app.channels.smtp_replies import CHALLENGE, Reply, configuration
from app.channels.smtp_wire import Wire
from app.domain.kinds import Fail
from app.secrets import Secret

_NEXT_MECHANISM = (504, 534)
_OVER_TLS = ("PLAIN", "LOGIN", "CRAM-MD5")
_IN_CLEAR = ("CRAM-MD5", "PLAIN", "LOGIN")


def log_in(wire: Wire, offered: str, user: str, password: Secret, *, encrypted: bool) -> str:
    """Log in with the first known mechanism of `offered` (EHLO's AUTH) and return its name.

    Raises ChannelError. Another one is only tried when the server does not take this one: each
    refused login may count towards a lock. smtplib would encode the password as ASCII; here it is
    UTF-8.
    """
    known = _known(wire, offered.upper().split(), encrypted=encrypted)
    bare = password.reveal()
    wire.transcript.veil(bare, _coded(bare), _coded(f"\0{user}\0{bare}"))
    for mechanism in known:
        reply = _exchange(wire, mechanism, user, bare)
        if reply.ok:
            return mechanism
        if reply.code not in _NEXT_MECHANISM:
            break
    raise _refused(wire, user, reply)


def _known(wire: Wire, names: list[str], *, encrypted: bool) -> list[str]:
    known = [name for name in (_OVER_TLS if encrypted else _IN_CLEAR) if name in names]
    if known:
        return known
    offers = f"only {', '.join(names)}" if names else "no login on this port"
    advice = "Choose another port or Encrypted Connection, or set Is Authentication Required to No."
    raise wire.refused(f"{wire.where} offers {offers}.", Fail.AUTH_ERROR, advice=advice)


def _exchange(wire: Wire, mechanism: str, user: str, password: str) -> Reply:
    """Run one mechanism to its last reply; a challenge too many, or a broken one, is cancelled."""
    answers = _answers(mechanism, user, password)
    first = f" {_coded(answers[0](b''))}" if mechanism == "PLAIN" else ""
    reply = _secretly(wire, f"AUTH {mechanism}{first}", f"AUTH {mechanism}{first and ' ***'}")
    for answer in answers:
        if reply.code != CHALLENGE:
            return reply
        try:
            challenge = base64.b64decode(reply.line)
        except binascii.Error:
            break
        reply = _secretly(wire, _coded(answer(challenge)), "***")
    return _secretly(wire, "*", "*") if reply.code == CHALLENGE else reply


def _secretly(wire: Wire, line: str, shown: str) -> Reply:
    return wire.command(line, shown=shown, stage="the login")


def _answers(mechanism: str, user: str, password: str) -> list[Callable[[bytes], str]]:
    """Return what answers each challenge in turn."""
    if mechanism == "LOGIN":
        return [lambda _: user, lambda _: password]
    if mechanism == "CRAM-MD5":
        key = password.encode()
        return [lambda challenge: f"{user} {hmac.new(key, challenge, 'md5').hexdigest()}"]
    return [lambda _: f"\0{user}\0{password}"]


def _coded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _refused(wire: Wire, user: str, reply: Reply) -> ChannelError:
    if reply.code // 100 == 4 and not configuration(reply):  # noqa: PLR2004 - for now only
        text = f"{wire.where} cannot check the login of {user} now: {reply}"
        return wire.refused(text, Fail.SERVER_ERROR, reply, advice="Try again later.")
    text = f"{wire.where} refused the login of {user}: {reply}"
    return wire.refused(text, Fail.AUTH_ERROR, reply, advice="Check user name and Password.")
