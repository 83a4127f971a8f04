"""The guard of outbound addresses: which addresses a channel may connect to, and why not."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from app.channels.policy import AddressPolicy, Network

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_SITE_LOCAL = ipaddress.ip_network("fec0::/10")
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "fd00:ec2::254", "192.0.0.192", "100.100.100.200"),
    )
)


def refusal(
    address: str, port: int, policy: AddressPolicy, *, loopback: bool = False
) -> str | None:
    """Return why no connection may go to `address`, or None where it may (quality.md, Security).

    Always refused, whatever is allowed: unspecified, link-local, metadata, multicast, broadcast,
    reserved, and the server's own ports. Loopback needs the allow list to name it, or `loopback`
    (mail: a local relay is usual). Private addresses are allowed as targets live on-prem, until an
    allow list is given: then it must name them. Public addresses are never limited by the list,
    as those of PagerDuty or Slack cannot be listed.

    A mapped address (::ffff:…) is its IPv4 address. One that tunnels (6to4, Teredo, NAT64) must
    lead to a public one: nothing inside is reached through a gateway.
    """
    outer = ipaddress.ip_address(address.partition("%")[0])
    inner, tunnelled = _unwrap(outer)
    reason = _never(inner) or _own(inner, port, policy.own)
    if reason is None and tunnelled and (inner.is_loopback or _private(inner)):
        reason = "a tunnel to an internal address"
    if reason is None and not (loopback and inner.is_loopback):
        reason = _unlisted(inner, policy.allow)
    return reason


def _unwrap(outer: IPAddress) -> tuple[IPAddress, bool]:
    """Return the IPv4 address inside `outer` (or itself), and whether a gateway unwraps it."""
    if isinstance(outer, ipaddress.IPv4Address):
        return outer, False
    if outer.ipv4_mapped:
        return outer.ipv4_mapped, False
    if outer in _NAT64:
        return ipaddress.IPv4Address(int(outer) & 0xFFFFFFFF), True
    if outer.teredo:
        return outer.teredo[1], True
    return (outer.sixtofour, True) if outer.sixtofour else (outer, False)


def _never(address: IPAddress) -> str | None:
    """Return why `address` is refused under every setting, or None."""
    if address in _METADATA:
        return "the metadata service of a cloud"
    if address.is_loopback:  # before "reserved", which ::1 is as well
        return None
    for wrong, reason in (
        (address.is_unspecified or address in _THIS_NETWORK, "the unspecified address"),
        (address.is_link_local, "link-local"),
        (address.is_multicast, "multicast"),
        (str(address) == "255.255.255.255", "the broadcast address"),
        (address.is_reserved, "reserved"),
    ):
        if wrong:
            return reason
    return None


def _own(address: IPAddress, port: int, own: Iterable[tuple[str, int]]) -> str | None:
    for own_host, own_port in own:
        mine = ipaddress.ip_address(own_host)
        local = address.is_loopback and (mine.is_loopback or mine.is_unspecified)
        if port == own_port and (local or address == mine):
            return "this server itself"
    return None


def _private(address: IPAddress) -> bool:
    """Return whether `address` is internal; 100.64.0.0/10 and fec0::/10 are, too."""
    return not address.is_global or address in _SITE_LOCAL


def _unlisted(address: IPAddress, allow: tuple[Network, ...]) -> str | None:
    """Return why an internal address needs the allow list and is not on it, or None."""
    if any(address in network for network in allow):
        return None
    if address.is_loopback:
        return "loopback, which TOCSIN_OUTBOUND_ALLOW does not name"
    if allow and _private(address):
        return "a private address that TOCSIN_OUTBOUND_ALLOW does not name"
    return None
