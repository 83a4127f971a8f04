"""The address guard: a table of addresses, and why each may or may not be reached."""

from __future__ import annotations

import ipaddress

import pytest

from app.channels.addresses import refusal
from app.channels.policy import AddressPolicy, own_endpoints

OPEN = AddressPolicy()
LISTED = AddressPolicy(allow=(ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("::1/128")))
EVERYTHING = AddressPolicy(allow=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.0", "unspecified"),  # noqa: S104 - the case
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("192.0.0.192", "metadata"),
        ("100.100.100.200", "metadata"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("64:ff9b:1::1", "reserved"),
        ("2002:a9fe:a9fe::1", "metadata"),
        ("2001:0:4136:e378:8000:63bf:5601:5601", "metadata"),  # Teredo: client 169.254.169.254
        ("64:ff9b::7f00:1", "tunnel"),
        ("2002:7f00:1::", "tunnel"),
        ("2002:c0a8:1::", "tunnel"),
        ("::7f00:1", "reserved"),
    ],
)
def test_some_addresses_are_refused_whatever_is_allowed(address: str, reason: str) -> None:
    for policy in (OPEN, EVERYTHING):
        assert reason in (refusal(address, 25, policy, loopback=True) or "")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_for_mail_or_for_those_whom_the_list_names(address: str) -> None:
    assert "TOCSIN_OUTBOUND_ALLOW" in (refusal(address, 25, OPEN) or "")
    assert refusal(address, 25, OPEN, loopback=True) is None
    assert refusal(address, 25, EVERYTHING) is None


@pytest.mark.parametrize(
    "address", ["10.2.3.4", "172.16.0.1", "192.168.1.1", "100.64.1.1", "fd12::1", "fec0::1"]
)
def test_private_addresses_are_allowed_until_a_list_leaves_them_out(address: str) -> None:
    assert refusal(address, 25, OPEN) is None
    assert "private" in (refusal(address, 25, LISTED) or "")
    assert "private" in (refusal(address, 25, LISTED, loopback=True) or "")


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "::ffff:10.1.2.3", "::1", "8.8.8.8", "2606:4700::1"]
)
def test_what_the_list_names_and_what_is_public_is_reached(address: str) -> None:
    assert refusal(address, 25, LISTED) is None


def test_a_public_address_through_a_tunnel_is_reached() -> None:
    assert refusal("64:ff9b::808:808", 25, OPEN) is None


@pytest.mark.parametrize(
    ("own", "address", "port", "refused"),
    [
        ("0.0.0.0", "127.0.0.1", 8000, True),  # noqa: S104 - the case
        ("127.0.0.1", "127.9.9.9", 8000, True),
        ("127.0.0.1", "::1", 8000, True),
        ("127.0.0.1", "::ffff:127.0.0.1", 8000, True),
        ("10.1.2.3", "10.1.2.3", 8000, True),
        ("10.1.2.3", "10.1.2.4", 8000, False),
        ("127.0.0.1", "127.0.0.1", 25, False),
    ],
)
def test_the_servers_own_port_is_refused_even_where_loopback_is_allowed(
    own: str, address: str, port: int, refused: bool
) -> None:
    policy = AddressPolicy(EVERYTHING.allow, frozenset({(own, 8000)}))

    assert (refusal(address, port, policy, loopback=True) == "this server itself") is refused


def test_a_server_bound_to_every_address_is_known_by_loopback() -> None:
    own = own_endpoints("0.0.0.0", 8000)  # noqa: S104 - the case

    assert refusal("127.0.0.1", 8000, AddressPolicy(own=own), loopback=True)
    assert own_endpoints("127.0.0.1", 8000) == {("127.0.0.1", 8000)}
