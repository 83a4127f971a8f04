"""Opening a connection to a mail server: dial, greeting, EHLO, TLS, login."""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
from collections.abc import Mapping

from app.channels import tls
from app.channels.base import ChannelError
from app.channels.deadlines import Stream, bounded
from app.channels.dialling import Dialler
from app.channels.smtp_auth import log_in
from app.channels.smtp_options import SmtpOptions
from app.channels.smtp_replies import Reply, configuration
from app.channels.smtp_wire import GREETING, Wire
from app.domain.kinds import Fail
from app.secrets import Secret

_FQDN = re.compile(r"(?=.{4,253}$)(?!localhost)(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}", re.I)
_NOT_ESMTP = (500, 501, 502, 504)
_NAME_SECONDS = 2.0


def open_wire(
    options: SmtpOptions, secrets: Mapping[str, Secret], dialler: Dialler, deadline: float
) -> Wire:
    """Return a connection that is ready for mail, before `deadline`; raises ChannelError.

    With STARTTLS nothing but EHLO is said in clear text, and there is no way back to it.
    """
    sock = dialler.connect(options.server, options.port, deadline)
    wire = Wire(Stream(sock, deadline), f"{options.server}:{options.port}")
    try:
        _encrypted(wire, options)
        if options.authentication_required:
            _log_in(wire, options, secrets)
    except ChannelError:
        wire.close()
        raise
    return wire


def _encrypted(wire: Wire, options: SmtpOptions) -> None:
    """Greet, with the encryption that was chosen or not at all."""
    context = tls.context(options.ca_pem, verify=options.verify_tls)
    if options.encryption == "tls":
        wire.stage = "the TLS handshake"
        wire.encrypt(context, options.server)
        wire.stage = GREETING
    _agreed(wire, wire.read(), "the connection")
    _hello(wire)
    if options.encryption == "starttls":
        _start_tls(wire, options.port)
        wire.encrypt(context, options.server)
        _hello(wire)


def _log_in(wire: Wire, options: SmtpOptions, secrets: Mapping[str, Secret]) -> None:
    password = secrets.get("password")
    if not password:
        raise wire.refused("There is no Password for the login: enter it.", Fail.AUTH_ERROR)
    secure = wire.stream.encrypted
    if not secure and not options.allow_auth_without_tls:
        text = "Tocsin does not log in over an unencrypted connection: choose STARTTLS or TLS."
        raise wire.refused(text, Fail.AUTH_ERROR)
    log_in(wire, wire.features.get("AUTH", ""), options.user, password, encrypted=secure)


def _start_tls(wire: Wire, port: int) -> None:
    advice = "Tocsin did not send the mail in clear text. Choose another port or TLS."
    if "STARTTLS" not in wire.features:
        text = f"The server does not offer STARTTLS on port {port}; {advice}"
        raise wire.refused(text, Fail.TLS)
    reply = wire.command("STARTTLS")
    if not reply.ok:
        text = f"{wire.where} offers STARTTLS and then refused it ({reply}); {advice}"
        raise wire.refused(text, Fail.TLS, reply)


def _hello(wire: Wire) -> None:
    """Introduce ourselves and learn what the server can do; an old one gets HELO."""
    name = _own_name() or _literal(wire.stream.own_address)
    reply = wire.command(f"EHLO {name}", stage="EHLO")
    if reply.code in _NOT_ESMTP:
        reply = wire.command(f"HELO {name}", stage="HELO")
    _agreed(wire, reply, f"the name {name}")
    words = [line.partition(" ") for line in reply.text.split("\n")[1:]]
    wire.features = {name.upper(): rest.strip() for name, _, rest in words}


def _agreed(wire: Wire, reply: Reply, what: str) -> None:
    if not reply.ok:
        reason = Fail.AUTH_ERROR if configuration(reply) else Fail.SERVER_ERROR
        raise wire.refused(f"{wire.where} refused {what}: {reply}", reason, reply)


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
