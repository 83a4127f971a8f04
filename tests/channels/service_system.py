"""What the tests of PagerDuty and ServiceNow share: events as stored, and how an attempt ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from app.channels.base import Channel, ChannelError, Receipt
from app.channels.notice import RESOLVED, EventPart, Notice
from app.secrets import Secret
from tests.channels.http_system import event as plain_event
from tests.channels.http_system import notice as plain_notice

LINK = "https://tocsin.example.org/deliveries/7"
HOSTILE = "Grüße \u2028 \u202e \"'<&>\r\nX-Evil: 1\x00 😀 ^OR"


def event(number: int = 7, trace: str | None = None, **changes: Any) -> EventPart:
    """Return an event with all that its document has."""
    facts = {
        "severityReceived": "error",
        "code": None,
        "description": "The snapshot of node 3 was not written.",
        "status": "firing",
        "dedupKey": None,
        "node": "db-3.example.org",
        "labels": {"cluster": "main"},
        "link": "https://wiki.example.org/snapshots",
        "occurredAt": "2026-11-03T10:30:00Z",
        "receivedAt": "2026-11-03T10:30:01Z",
        "count": 1,
    }
    return plain_event(number, trace, **(facts | changes))


def notice(*events: EventPart, **changes: Any) -> Notice:
    """Return a notification of `events`, or of one, with its link."""
    return plain_notice(*(events or (event(),)), **({"link": LINK} | changes))


def resolved(number: int = 8, **changes: Any) -> Notice:
    """Return the notification of an event that resolves another one."""
    return notice(event(number, status="resolved", **changes), type=RESOLVED, id="msg_2")


@contextmanager
def session(channel: Channel, options: Any, secrets: Mapping[str, Secret]) -> Iterator[Any]:
    """Return an open session."""
    opened = channel.connect(options, secrets)
    try:
        yield opened
    finally:
        opened.close()


def sent(channel: Channel, options: Any, secrets: Mapping[str, Secret], message: Notice) -> Receipt:
    """Open, send, close."""
    with session(channel, options, secrets) as opened:
        receipt: Receipt = opened.send(message)
    return receipt


def failure(
    channel: Channel, options: Any, secrets: Mapping[str, Secret], message: Notice
) -> ChannelError:
    """Return the error of an attempt; every one says what to do, in one line, and no secret."""
    with pytest.raises(ChannelError) as caught:
        sent(channel, options, secrets, message)
    return checked(caught.value, secrets)


def checked(error: ChannelError, secrets: Mapping[str, Secret]) -> ChannelError:
    """Return the error, looked at for what holds for every one."""
    assert error.advice, error
    assert "\n" not in str(error)
    assert error.permanent <= (not error.endpoint)
    for secret in secrets.values():
        shown = f"{error} {error!r} {error.args} {error.answer} {error.transcript}"
        assert secret.reveal() not in shown
    return error
