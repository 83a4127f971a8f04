"""What the tests of Slack and Teams share: a system on loopback, one attempt, one error."""

from __future__ import annotations

from typing import Any

import pytest

from app.channels.base import ChannelError, Receipt
from app.channels.http_hook import HookChannel
from app.channels.http_options import HttpOptions
from app.channels.notice import Notice
from app.channels.policy import AddressPolicy
from app.channels.slack import SlackChannel
from app.channels.teams import TeamsChannel
from app.secrets import Secret
from app.shapes import parse
from tests.channels.events import notice
from tests.channels.http_system import LOOPBACK
from tests.servers.http_sink import HttpSink, Received, answer

SLACK, TEAMS = SlackChannel(AddressPolicy(LOOPBACK)), TeamsChannel(AddressPolicy(LOOPBACK))


def post(
    channel: HookChannel, url: str, *messages: Notice, options: dict[str, Any] | None = None
) -> list[Receipt]:
    """Send messages over one session."""
    chosen = parse(HttpOptions, {"timeout": 10, **(options or {})})
    session = channel.connect(chosen, {channel.url_name: Secret(url)})
    try:
        return [session.send(message) for message in messages or (notice(),)]
    finally:
        session.close()


def refused(channel: HookChannel, url: str, **options: Any) -> ChannelError:
    """Return the error of an attempt that fails, which names no secret and gives advice."""
    with pytest.raises(ChannelError) as caught:
        post(channel, url, options=options)
    error = caught.value
    assert error.advice
    assert "canary" not in f"{error} {error!r} {error.answer} {error.transcript}"
    return error


def sent(channel: HookChannel, message: Notice) -> Received:
    """Return the request of a message."""
    with HttpSink(lambda _: answer(200, b"ok")) as sink:
        post(channel, f"http://127.0.0.1:{sink.port}/", message)
        (request,) = sink.requests
    return request
