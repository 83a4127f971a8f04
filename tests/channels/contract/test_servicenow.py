"""ServiceNow keeps the contract of channels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

from app.channels.base import Channel
from app.channels.notice import Notice
from app.channels.policy import AddressPolicy
from app.channels.servicenow import ServiceNowChannel
from app.secrets import Secret
from tests.channels.contract.kit import ChannelContract, Listening
from tests.channels.http_system import LOOPBACK
from tests.channels.service_system import event, notice
from tests.servers.doubles.servicenow import ServiceNow

CANARY = "canary7f3a" * 3 + "ab"


class TestServiceNow(ChannelContract):
    """Over a double that takes the canary as its password."""

    canary = CANARY
    _numbers = count(1)

    @property
    def channel(self) -> Channel:
        """The channel, allowed to reach loopback."""
        return ServiceNowChannel(AddressPolicy(LOOPBACK))

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """The password."""
        return {"password": Secret(CANARY)}

    @property
    def message(self) -> Notice:
        """One event, which is another one each time."""
        return notice(event(next(self._numbers)))

    def options(self, port: int, timeout: float) -> dict[str, Any]:
        """The address of the double, and a login."""
        return {"instance": f"http://127.0.0.1:{port}", "user": "tocsin", "timeout": timeout}

    def good(self) -> AbstractContextManager[Listening]:
        """An instance that knows the login."""
        return ServiceNow(user="tocsin", password=CANARY)
