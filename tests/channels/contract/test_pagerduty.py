"""PagerDuty keeps the contract of channels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from app.channels.base import Channel
from app.channels.notice import Notice
from app.channels.pagerduty import PagerDutyChannel
from app.channels.policy import AddressPolicy
from app.secrets import Secret
from tests.channels.contract.kit import ChannelContract, Listening
from tests.channels.http_system import LOOPBACK
from tests.channels.service_system import notice
from tests.servers.doubles.pagerduty import PagerDuty

CANARY = "canary7f3a" * 3 + "ab"


class TestPagerDuty(ChannelContract):
    """Over a double that takes the canary as its key."""

    canary = CANARY

    @property
    def channel(self) -> Channel:
        """The channel, allowed to reach loopback."""
        return PagerDutyChannel(AddressPolicy(LOOPBACK))

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """The integration key."""
        return {"routingKey": Secret(CANARY)}

    @property
    def message(self) -> Notice:
        """One event."""
        return notice()

    def options(self, port: int, timeout: float) -> dict[str, Any]:
        """The address of the double, in place of a region's."""
        return {"url": f"http://127.0.0.1:{port}/v2/enqueue", "timeout": timeout}

    def good(self) -> AbstractContextManager[Listening]:
        """A service that knows the key."""
        return PagerDuty(keys=frozenset((CANARY,)))
