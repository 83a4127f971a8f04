"""Microsoft Teams: the channel that starts a workflow (spec: channels.md, Microsoft Teams)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from app.channels.base import Receipt
from app.channels.http_answers import Answer
from app.channels.http_hook import HookChannel
from app.channels.http_options import HttpOptions
from app.channels.notice import Notice
from app.channels.teams_answers import judged
from app.channels.teams_options import TeamsSecrets
from app.channels.teams_payload import payload


class TeamsChannel(HookChannel):
    """Posts a card to a workflow; a receipt means that it was started, not that it posted."""

    kind: ClassVar[str] = "teams"
    title: ClassVar[str] = "Microsoft Teams"
    options: ClassVar[type[BaseModel]] = HttpOptions
    secrets: ClassVar[type[BaseModel]] = TeamsSecrets
    pace: ClassVar[tuple[tuple[int, float], ...]] = ((4, 1.0), (60, 30.0))
    url_name: ClassVar[str] = "workflowUrl"
    url_title: ClassVar[str] = "Workflow URL"

    def payload(self, notice: Notice) -> bytes:
        """Return the message with its card."""
        return payload(notice)

    def judged(self, answer: Answer) -> Receipt:
        """Return a receipt for 200 and 202; raises ChannelError."""
        return judged(answer)
