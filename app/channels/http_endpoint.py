"""Where the requests of a system go: its server, and the proxy before it."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from dataclasses import dataclass

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """A server, how its certificate is checked, and the host and port of the `proxy` before it."""

    scheme: str
    host: str
    port: int
    ca_pem: str | None = None
    verify_tls: bool = True
    proxy: tuple[str, int] | None = None

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken with it."""
        return self.scheme == "https"

    @property
    def where(self) -> str:
        """Its host and port, as CONNECT names them."""
        return f"{self._bare}:{self.port}"

    @property
    def authority(self) -> str:
        """Its host and port, as the header Host names them."""
        return self._bare if PORTS[self.scheme] == self.port else self.where

    @property
    def _bare(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def is_local(host: str) -> bool:
    """Return whether `host` is an address in any spelling, or a name for this very machine."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    with suppress(OSError):
        socket.inet_aton(host)
        return True
    return host == "localhost" or host.endswith(".localhost")
