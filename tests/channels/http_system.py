"""A Webhook system in tests: its options, a session to it, and what it posts."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from app.channels.base import ChannelError, Receipt
from app.channels.notice import FIRING, EventPart, Notice
from app.channels.policy import AddressPolicy
from app.channels.webhook import WebhookChannel
from app.secrets import Secret
from app.shapes import parse

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128")))
CHANNEL = WebhookChannel(AddressPolicy(LOOPBACK))
# The names of the certificates are looked up here, and never on the machine's name server.
LOCAL = WebhookChannel(AddressPolicy(LOOPBACK), resolver=lambda host, port: ["127.0.0.1"])
AT = datetime(2026, 11, 3, 10, 31, tzinfo=UTC)


def options(port: int, path: str = "/hook", **changes: Any) -> Any:
    """Return the options of an endpoint on loopback, but for `changes`."""
    given = {"url": f"http://127.0.0.1:{port}{path}", "timeout": 20}
    return parse(WebhookChannel.options, given | changes, "/options")


def event(number: int = 1, trace: str | None = None, **changes: Any) -> EventPart:
    """Return an event as it was stored."""
    facts = {
        "id": str(number),
        "source": "backups",
        "severity": "error",
        "title": "Snapshot failed",
        "integration": "crm",
    }
    return EventPart(str(number), json.dumps(facts | changes, ensure_ascii=False), trace)


def notice(*events: EventPart, **changes: Any) -> Notice:
    """Return a notification of `events`, or of one."""
    told = events or (event(),)
    given: dict[str, Any] = {
        "id": "msg_1_a",
        "type": FIRING,
        "subscription_id": "7",
        "at": AT,
        "events": told,
    }
    return Notice(**(given | changes))


@contextmanager
def session(
    chosen: Any,
    *,
    channel: WebhookChannel = CHANNEL,
    secrets: Mapping[str, Secret] | None = None,
) -> Iterator[Any]:
    """Return an open session."""
    opened = channel.connect(chosen, secrets or {})
    try:
        yield opened
    finally:
        opened.close()


def sent(chosen: Any, message: Notice | None = None, **how: Any) -> Receipt:
    """Post one message."""
    with session(chosen, **how) as opened:
        receipt: Receipt = opened.send(message or notice())
    return receipt


def failure(chosen: Any, message: Notice | None = None, **how: Any) -> ChannelError:
    """Return the error of an attempt; every one says what to do, in one line."""
    with pytest.raises(ChannelError) as caught:
        sent(chosen, message, **how)
    error = caught.value
    assert error.advice, error
    assert "\n" not in str(error)
    return error
