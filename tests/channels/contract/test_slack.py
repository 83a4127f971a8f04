"""Slack keeps the contract of channels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from app.channels.base import Channel
from app.channels.dialling import Resolver, look_up
from app.channels.notice import Notice
from app.channels.policy import AddressPolicy
from app.channels.slack import SlackChannel
from app.secrets import Secret
from tests.channels.contract.http_kit import HttpContract
from tests.channels.contract.kit import Listening
from tests.channels.events import notice
from tests.channels.http_system import LOOPBACK
from tests.servers.http_sink import HttpSink, answer

CANARY = "canary7f3a"


class TestSlack(HttpContract):
    """Over a server that says ok to everything."""

    canary = CANARY

    def made(self, resolver: Resolver | None) -> Channel:
        """The channel, allowed to reach loopback."""
        return SlackChannel(AddressPolicy(LOOPBACK), resolver or look_up)

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """The URL of a webhook, wherever it is."""
        return self.secrets_at(80)

    def secrets_at(self, port: int) -> Mapping[str, Secret]:
        """The URL of a webhook."""
        return {"webhookUrl": Secret(f"{self.origin(port)}/services/T0/B0/{CANARY}")}

    @property
    def message(self) -> Notice:
        """One event."""
        return notice()

    def options(self, port: int, timeout: float) -> dict[str, Any]:
        """No more than every HTTP kind has."""
        return {"timeout": timeout, **self.more}

    def good(self) -> AbstractContextManager[Listening]:
        """A server that says ok."""
        return HttpSink(lambda _: answer(200, b"ok"))
