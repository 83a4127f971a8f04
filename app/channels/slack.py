"""Slack: the channel that posts to an incoming webhook (spec: channels.md, Slack)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from app.channels.base import Receipt
from app.channels.http_answers import Answer
from app.channels.http_hook import HookChannel
from app.channels.http_options import HttpOptions
from app.channels.notice import Notice
from app.channels.slack_answers import judged
from app.channels.slack_options import SlackSecrets
from app.channels.slack_payload import payload


class SlackChannel(HookChannel):
    """Posts to one channel of Slack; a receipt means that Slack said ok."""

    kind: ClassVar[str] = "slack"
    title: ClassVar[str] = "Slack"
    options: ClassVar[type[BaseModel]] = HttpOptions
    secrets: ClassVar[type[BaseModel]] = SlackSecrets
    pace: ClassVar[tuple[tuple[int, float], ...]] = ((1, 1.0),)
    url_name: ClassVar[str] = "webhookUrl"
    url_title: ClassVar[str] = "Webhook URL"

    def payload(self, notice: Notice) -> bytes:
        """Return text and blocks."""
        return payload(notice)

    def judged(self, answer: Answer) -> Receipt:
        """Return a receipt for 200 and ok; raises ChannelError."""
        return judged(answer)
