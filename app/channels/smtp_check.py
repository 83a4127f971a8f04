"""Checking a mail server: the stages of opening a connection, and what each of them found."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import partial

from app.channels import certificate
from app.channels.base import CheckStep
from app.channels.checks import Found, walk
from app.channels.smtp_hello import size_limit
from app.channels.smtp_open import Opening
from app.channels.smtp_session import leave

MEBI = 1024 * 1024
# A mail with the trace as PDF has seldom more.
TYPICAL_MAIL = MEBI
_SHOWN, _LINE = 5, 200


def steps(opening: Opening) -> list[CheckStep]:
    """Go through the stages of `opening` and end the connection; nothing is sent.

    Steps: dns, tcp, ehlo, tls (before ehlo with TLS from the start), auth, size.
    """
    stages = [(name, partial(_found, opening, name, work)) for name, work in opening.stages()]
    try:
        return walk([*stages, ("size", partial(_size, opening))])
    finally:
        if opening.dialled:
            leave(opening.wire)


def _found(opening: Opening, name: str, work: Callable[[], None]) -> Found:
    work()
    return _TELL[name](opening)


def _dns(opening: Opening) -> Found:
    server, found = opening.options.server, opening.addresses
    try:
        ipaddress.ip_address(server)
    except ValueError:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return Found(f"{server} is {', '.join(found[:_SHOWN])}{more}.")
    return Found(f"{server} is an address: no name to look up.", None)


def _tcp(opening: Opening) -> Found:
    address = opening.wire.stream.peer_address or opening.options.server
    return Found(f"Connected to {address} on port {opening.options.port}.")


def _ehlo(opening: Opening) -> Found:
    name = opening.hello.text.partition("\n")[0][:_LINE]
    offers = ", ".join(sorted(opening.wire.features)) or "nothing more"
    return Found(f"{name} greets with {str(opening.greeting)[:_LINE]!r} and offers {offers}.")


def _tls(opening: Opening) -> Found:
    options, wire = opening.options, opening.wire
    if options.encryption == "none":
        better = "The server offers STARTTLS: choose it under Encrypted Connection."
        return Found("Not encrypted.", None, better if "STARTTLS" in wire.features else None)
    version, der = wire.stream.shown
    shown = certificate.read(der)
    about = wire.transcript.clean(str(shown or "a certificate that cannot be read").encode())
    text = f"{version.replace('v', ' ')}, {about}."
    if not options.verify_tls:
        return Found(f"{text} It was not verified.", fix="Set Verify Certificate to Yes.")
    soon = shown is not None and shown.ends_soon
    return Found(text, fix="Have the certificate renewed in time." if soon else None)


def _auth(opening: Opening) -> Found:
    options, wire = opening.options, opening.wire
    offered = wire.features.get("AUTH", "") or "nothing"
    if not options.authentication_required:
        return Found(f"No login is used; the server offers {offered}.", None)
    text = f"Logged in as {options.user} by {opening.mechanism}; the server offers {offered}."
    readable = "The password crosses the network readable: choose STARTTLS or TLS."
    return Found(text, fix=None if wire.stream.encrypted else readable)


def _size(opening: Opening) -> Found:
    limit = size_limit(opening.wire)
    if limit is None:
        return Found("The server does not say how large a mail may be.", None)
    if limit == 0:
        return Found("The server accepts mails of any size.")
    small = "A mail with the trace as PDF may be larger, and then goes without it: raise the limit."
    if limit < TYPICAL_MAIL:
        return Found(f"The server accepts mails up to {limit:,} bytes.", fix=small)
    megabytes = f"{limit / MEBI:,.1f}".removesuffix(".0")
    return Found(f"The server accepts mails up to {megabytes} MB.")


_TELL: dict[str, Callable[[Opening], Found]] = {
    "dns": _dns,
    "tcp": _tcp,
    "ehlo": _ehlo,
    "tls": _tls,
    "auth": _auth,
}
