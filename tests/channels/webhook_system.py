"""What the tests of the webhook share: the channel with loopback allowed, messages, one attempt."""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.channels.base import ChannelError, Receipt
from app.channels.dialling import Resolver, look_up
from app.channels.notice import FIRING, EventPart, Notice
from app.channels.policy import AddressPolicy
from app.channels.webhook import WebhookChannel
from app.channels.webhook_options import WebhookOptions
from app.secrets import Secret
from app.shapes import parse

AT = datetime(2026, 11, 3, 10, 0, tzinfo=UTC)
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def hook(resolver: Resolver = look_up, *, loopback: bool = True) -> WebhookChannel:
    """Return the channel; `loopback`: TOCSIN_OUTBOUND_ALLOW names it."""
    return WebhookChannel(AddressPolicy(allow=LOOPBACK if loopback else ()), resolver)


def part(title: str = "Disk full", trace: str | None = None, **fields: Any) -> EventPart:
    """Return an event as it is stored."""
    document = {"id": "7", "source": "metrics", "severity": "error", "title": title, **fields}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return EventPart("7", text, trace)


def notice(*parts: EventPart, number: int = 1) -> Notice:
    """Return a message of one event, or of `parts`."""
    return Notice(f"msg_{number}", FIRING, "12", AT, parts or (part(),))


def options(url: str, **more: Any) -> WebhookOptions:
    """Return the options of a system."""
    return parse(WebhookOptions, {"url": url, "timeout": 5, **more})


def post(
    url: str,
    message: Notice | None = None,
    *,
    channel: WebhookChannel | None = None,
    secrets: dict[str, str] | None = None,
    **more: Any,
) -> Receipt:
    """Open a session, send one message, close."""
    sealed = {name: Secret(value) for name, value in (secrets or {}).items()}
    session = (channel or hook()).connect(options(url, **more), sealed)
    try:
        return session.send(message or notice())
    finally:
        session.close()


def refused(url: str, **more: Any) -> ChannelError:
    """Return the error of an attempt that fails."""
    with pytest.raises(ChannelError) as caught:
        post(url, **more)
    assert "canary" not in f"{caught.value} {caught.value!r} {caught.value.answer}"
    return caught.value
