"""A ServiceNow system in tests: its options, its login, and how an attempt ends."""

from __future__ import annotations

from typing import Any

from app.channels.base import ChannelError, Receipt
from app.channels.notice import Notice
from app.channels.policy import AddressPolicy
from app.channels.servicenow import ServiceNowChannel
from app.secrets import Secret
from app.shapes import parse
from tests.channels import service_system as shared
from tests.channels.http_system import LOOPBACK
from tests.channels.service_system import notice
from tests.servers.doubles.servicenow import PASSWORD, USER, ServiceNow

CHANNEL = ServiceNowChannel(AddressPolicy(LOOPBACK))
LOCAL = ServiceNowChannel(AddressPolicy(LOOPBACK), resolver=lambda host, port: ["127.0.0.1"])
SECRETS = {"password": Secret(PASSWORD)}


def options(url: str, **changes: Any) -> Any:
    """Return the options of an instance, but for `changes`."""
    given = {"instance": url, "user": USER, "timeout": 20, **changes}
    return parse(ServiceNowChannel.options, given, "/options")


def tell(instance: ServiceNow, *messages: Notice, **changes: Any) -> list[Receipt]:
    """Send messages over one session."""
    with shared.session(CHANNEL, options(instance.url, **changes), SECRETS) as opened:
        return [opened.send(message) for message in messages]


def refused(instance: ServiceNow, message: Notice | None = None, **changes: Any) -> ChannelError:
    """Return the error of an attempt that fails."""
    chosen = options(instance.url, **changes)
    return shared.failure(CHANNEL, chosen, SECRETS, message or notice())
