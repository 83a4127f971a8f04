"""What the settings say about outbound addresses, and which addresses are the server's own."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class AddressPolicy:
    """What the settings say: `allow` is TOCSIN_OUTBOUND_ALLOW, `own` the server's own ports.

    `own` holds (IP address, port); a loopback or unspecified address in it stands for the whole
    loopback (see `own_endpoints`).
    """

    allow: tuple[Network, ...] = ()
    own: frozenset[tuple[str, int]] = frozenset()


def own_endpoints(host: str, port: int) -> frozenset[tuple[str, int]]:
    """Return the (address, port) pairs that lead to a server bound to `host`; may ask DNS.

    A wildcard host is reached by every address that this machine's own name has.
    """
    names = [host, socket.gethostname()] if host in ("0.0.0.0", "::", "") else [host]  # noqa: S104 - compared
    found = set()
    for name in names:
        try:
            found |= {str(item[4][0]) for item in socket.getaddrinfo(name or None, port)}
        except OSError:
            continue
    return frozenset((address.partition("%")[0], port) for address in found)
