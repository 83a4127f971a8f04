"""Checking an HTTP system step by step, as for sending: its address, its port, its certificate."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

from app import clock
from app.channels import certificate, tls
from app.channels.base import CheckStep
from app.channels.checks import Found, walk
from app.channels.dialling import Dialler, dial
from app.channels.http_wire import CONNECT_SECONDS, Target

_SHOWN = 5


def steps(dialler: Dialler, target: Target, timeout: float) -> list[CheckStep]:
    """Look up, connect and shake hands, each timed; nothing is sent, whatever is found.

    Through a proxy, it is the proxy that is looked up and connected to.
    """
    check = _Check(dialler, target, clock.monotonic() + timeout)
    try:
        return walk([("dns", check.dns), ("tcp", check.tcp), ("tls", check.tls)])
    finally:
        check.close()


class _Check:
    """The stages, and what each leaves for the next one."""

    def __init__(self, dialler: Dialler, target: Target, deadline: float) -> None:
        self._dialler, self._target, self._deadline = dialler, target, deadline
        self._via = urlsplit(target.proxy) if target.proxy else None
        self._host = str(self._via.hostname) if self._via else target.host
        self._port = (self._via.port or 80) if self._via else target.port
        self._addresses: list[str] = []
        self._sock: socket.socket | ssl.SSLSocket | None = None

    def dns(self) -> Found:
        """Look up the host, and vet what was found."""
        self._addresses = self._dialler.vetted(self._host, self._port, self._soon())
        try:
            ipaddress.ip_address(self._host)
        except ValueError:
            return Found(f"{self._host} is {', '.join(self._addresses[:_SHOWN])}.")
        return Found(f"{self._host} is an address: no name to look up.", None)

    def tcp(self) -> Found:
        """Connect to the first address that answers."""
        self._sock = dial(self._addresses, self._host, self._port, self._soon())
        through = " (the proxy)" if self._via else ""
        address = str(self._sock.getpeername()[0])
        return Found(f"Connected to {address} on port {self._port}{through}.")

    def tls(self) -> Found:
        """Shake hands, and show whose certificate it is."""
        target = self._target
        if target.scheme != "https":
            better = "Give a URL with https://, unless the network is trusted."
            return Found("Not encrypted: messages cross the network readable.", None, better)
        if self._via or self._sock is None:
            return Found("Not looked at: it lies behind the proxy.", None)
        made = tls.context(target.ca_pem, verify=target.verify)
        wrapped = tls.wrap(self._sock, made, target.host, self._deadline)
        self._sock = wrapped
        shown = certificate.read(wrapped.getpeercert(binary_form=True) or b"")
        version = (wrapped.version() or "").replace("v", " ")
        text = f"{version}, {shown or 'a certificate that cannot be read'}."
        if not target.verify:
            return Found(f"{text} It was not verified.", fix="Set Verify Certificate to Yes.")
        soon = shown is not None and shown.ends_soon
        return Found(text, fix="Have the certificate renewed in time." if soon else None)

    def close(self) -> None:
        """End the connection."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.close()

    def _soon(self) -> float:
        return min(self._deadline, clock.monotonic() + CONNECT_SECONDS)
