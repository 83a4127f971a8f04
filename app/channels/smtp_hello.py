"""The first words with a mail server: its greeting, EHLO, and what it says that it can do."""

from __future__ import annotations

import functools
import ipaddress
import re
import socket

from app.channels.deadlines import bounded
from app.channels.smtp_replies import Reply, configuration
from app.channels.smtp_wire import Wire
from app.domain.kinds import Fail

_FQDN = re.compile(r"(?=.{4,253}$)(?!localhost)(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}", re.I)
_NOT_ESMTP = (500, 501, 502, 504)
_NAME_SECONDS = 2.0
_FINAL = 5


def greeted(wire: Wire) -> Reply:
    """Return the greeting; raises ChannelError."""
    return _agreed(wire, wire.read(), "the connection")


def hello(wire: Wire) -> Reply:
    """Introduce ourselves and learn what the server can do; an old one gets HELO."""
    name = _own_name() or _literal(wire.stream.own_address)
    reply = wire.command(f"EHLO {name}", stage="EHLO")
    if reply.code in _NOT_ESMTP:
        reply = wire.command(f"HELO {name}", stage="HELO")
    _agreed(wire, reply, f"the name {name}")
    words = [line.partition(" ") for line in reply.text.split("\n")[1:]]
    wire.features = {name.upper(): rest.strip() for name, _, rest in words}
    return reply


def start_tls(wire: Wire, port: int) -> None:
    """Ask for STARTTLS; raises ChannelError where it is not offered, or refused after all."""
    where, advice = "no mail is sent in clear text.", "Choose another port, or TLS."
    if "STARTTLS" not in wire.features:
        text = f"The server does not offer STARTTLS on port {port}; {where}"
        raise wire.refused(text, Fail.TLS, advice=advice)
    reply = wire.command("STARTTLS")
    if not reply.ok:
        text = f"{wire.where} offers STARTTLS and then refused it ({reply}); {where}"
        raise wire.refused(text, Fail.TLS, reply, advice=advice)


def size_limit(wire: Wire) -> int | None:
    """Return the bytes that a mail may have (0: no fixed limit), or None: the server says none."""
    limit = wire.features.get("SIZE", "")
    return int(limit) if limit.isdecimal() and len(limit) <= 20 else None  # noqa: PLR2004 - RFC 1870


def _agreed(wire: Wire, reply: Reply, what: str) -> Reply:
    if not reply.ok:
        reason = Fail.AUTH_ERROR if configuration(reply) else Fail.SERVER_ERROR
        final = reply.code // 100 == _FINAL
        advice = "Ask who runs that server whether this machine may use it."
        raise wire.refused(
            f"{wire.where} refused {what}: {reply}",
            reason,
            reply,
            advice=advice if final else "Try again later, or see the log of that server.",
        )
    return reply


@functools.cache
def _own_name() -> str:
    """Return the full name of this machine, or nothing; a slow name server may not hold a mail."""
    try:
        names = (socket.gethostname(), bounded(socket.getfqdn, _NAME_SECONDS))
    except (OSError, UnicodeError):
        return ""
    return next((name for name in names if _FQDN.fullmatch(name)), "")


def _literal(address: str) -> str:
    """Return our address as RFC 5321 (4.1.4) wants it from a machine without a full name."""
    own = ipaddress.ip_address(address)
    return f"[{own}]" if own.version == 4 else f"[IPv6:{own}]"  # noqa: PLR2004 - IPv4
