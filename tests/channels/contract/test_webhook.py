"""The webhook keeps the contract of channels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from app.channels.base import Channel
from app.channels.dialling import Resolver, look_up
from app.channels.notice import Notice
from app.secrets import Secret
from tests.channels.contract.http_kit import HttpContract
from tests.channels.contract.kit import Listening
from tests.channels.webhook_system import hook, notice
from tests.servers.http_sink import HttpSink

CANARY = "canary7f3a" * 4


class TestWebhook(HttpContract):
    """Over a sink that answers 200."""

    canary = CANARY

    def made(self, resolver: Resolver | None) -> Channel:
        """The channel, allowed to reach loopback."""
        return hook(resolver or look_up)

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """A signing secret."""
        return {"signingSecret": Secret(f"whsec_{CANARY}")}

    @property
    def message(self) -> Notice:
        """One event."""
        return notice()

    def options(self, port: int, timeout: float) -> dict[str, Any]:
        """A URL with a secret in its query, and a header that holds one."""
        return {
            "url": f"{self.origin(port)}/in?key={CANARY}",
            "timeout": timeout,
            "attributes": [{"type": "Header", "key": "Authorization", "value": CANARY}],
            **self.more,
        }

    def good(self) -> AbstractContextManager[Listening]:
        """A sink that takes everything."""
        return HttpSink()
