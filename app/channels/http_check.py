"""Checking an HTTP system: the stages of opening a connection, and what each of them found."""

from __future__ import annotations

import ipaddress
import ssl

from app.channels import certificate
from app.channels.base import ChannelError, CheckStep
from app.channels.checks import Found, walk
from app.channels.http_open import Opening
from app.domain.kinds import Fail

_SHOWN = 5


def steps(opening: Opening) -> list[CheckStep]:
    """Go through the stages of `opening` and end the connection; nothing is sent.

    Steps: dns, address, tcp, tls. Through a proxy the first three are about the proxy.
    """
    check = _Check(opening)
    try:
        stages = (("dns", check.dns), ("address", check.address), ("tcp", check.tcp))
        return walk([*stages, ("tls", check.tls)])
    finally:
        opening.end()


class _Check:
    """The stages, each of which raises ChannelError or says what it found."""

    def __init__(self, opening: Opening) -> None:
        self._opening, self._work = opening, dict(opening.stages())
        self._blocked: ChannelError | None = None
        self._via = " (the proxy)" if opening.endpoint.proxy else ""

    def dns(self) -> Found:
        """Look the name up; an address that is refused is the next stage's."""
        host = self._opening.host
        try:
            self._work["dns"]()
        except ChannelError as error:
            if error.reason is not Fail.BLOCKED_ADDRESS:
                raise
            self._blocked = error
        try:
            ipaddress.ip_address(host)
        except ValueError:
            if self._blocked:
                return Found(f"{host}{self._via} was found.")
            found = self._opening.addresses
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            return Found(f"{host}{self._via} is {', '.join(found[:_SHOWN])}{more}.")
        return Found(f"{host}{self._via} is an address: no name to look up.", None)

    def address(self) -> Found:
        """Tell whether the guard lets Tocsin connect there."""
        if self._blocked:
            raise self._blocked
        return Found("Tocsin may connect there.")

    def tcp(self) -> Found:
        """Connect to the first address that answers; the proxy connects on."""
        self._work["tcp"]()
        opening = self._opening
        try:
            address = str(opening.wire.sock.getpeername()[0]).partition("%")[0]
        except OSError:
            address = opening.host
        return Found(f"Connected to {address} on port {opening.port}{self._via}.")

    def tls(self) -> Found:
        """Shake hands, and show whose certificate it is."""
        self._work["tls"]()
        endpoint, sock = self._opening.endpoint, self._opening.wire.sock
        if not isinstance(sock, ssl.SSLSocket):
            better = "Give a URL with https://, unless the network is trusted."
            return Found("Not encrypted: messages cross the network readable.", None, better)
        shown = certificate.read(sock.getpeercert(binary_form=True) or b"")
        version = (sock.version() or "").replace("v", " ")
        text = f"{version}, {shown or 'a certificate that cannot be read'}."
        if not endpoint.verify_tls:
            return Found(f"{text} It was not verified.", fix="Set Verify Certificate to Yes.")
        soon = shown is not None and shown.ends_soon
        return Found(text, fix="Have the certificate renewed in time." if soon else None)
