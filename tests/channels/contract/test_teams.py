"""Microsoft Teams keeps the contract of channels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from app.channels.base import Channel
from app.channels.dialling import Resolver, look_up
from app.channels.notice import Notice
from app.channels.policy import AddressPolicy
from app.channels.teams import TeamsChannel
from app.secrets import Secret
from tests.channels.contract.http_kit import HttpContract
from tests.channels.contract.kit import Listening
from tests.channels.events import notice
from tests.channels.http_system import LOOPBACK
from tests.servers.http_sink import HttpSink, answer

CANARY = "canary7f3a"


class TestTeams(HttpContract):
    """Over a server that accepts everything."""

    canary = CANARY

    def made(self, resolver: Resolver | None) -> Channel:
        """The channel, allowed to reach loopback."""
        return TeamsChannel(AddressPolicy(LOOPBACK), resolver or look_up)

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """The URL of a workflow, wherever it is."""
        return self.secrets_at(80)

    def secrets_at(self, port: int) -> Mapping[str, Secret]:
        """The URL of a workflow, with secrets in its path and its query."""
        path = f"/workflows/{CANARY}/triggers/manual/paths/invoke"
        return {"workflowUrl": Secret(f"{self.origin(port)}{path}?sv=1.0&sig={CANARY}%2Bb")}

    @property
    def message(self) -> Notice:
        """One event."""
        return notice()

    def options(self, port: int, timeout: float) -> dict[str, Any]:
        """No more than every HTTP kind has."""
        return {"timeout": timeout, **self.more}

    def good(self) -> AbstractContextManager[Listening]:
        """A server that accepts."""
        return HttpSink(lambda _: answer(202, b""))
