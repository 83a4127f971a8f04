"""SMTP keeps the contract of channels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from app.channels import channel
from app.channels.base import Channel, Outgoing
from app.secrets import Secret
from tests.channels.contract.kit import CANARY, ChannelContract, Listening
from tests.servers.relay import Relay

SENDER = "tocsin@example.org"


class TestSmtp(ChannelContract):
    """Over aiosmtpd with a login."""

    @property
    def channel(self) -> Channel:
        """The channel as it is registered."""
        return channel("smtp")

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """The password."""
        return {"password": Secret(CANARY)}

    @property
    def message(self) -> Outgoing:
        """A mail."""
        return Outgoing(SENDER, ("ann@example.org",), b"Subject: x\r\n\r\nhello\r\n")

    def options(self, port: int, timeout: float) -> dict[str, Any]:
        """A login in clear text, as the raw servers speak no TLS."""
        return {
            "server": "127.0.0.1",
            "port": port,
            "encryption": "none",
            "allowAuthWithoutTls": True,
            "senderEmail": SENDER,
            "timeout": timeout,
        }

    def good(self) -> AbstractContextManager[Listening]:
        """A relay that wants a login."""
        return Relay(login=(SENDER, CANARY), in_clear=True)
