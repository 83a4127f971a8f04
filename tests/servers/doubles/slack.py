"""A double of Slack's incoming webhooks: its limits, its words for errors, one message a second."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tests.servers.doubles.double import Double, Pace
from tests.servers.http_sink import Received, answer

PATH = "/services/T0DOUBLE0/B0DOUBLE0/doubleOfASecretToken0001"
MOST_BLOCKS, HEADER, SECTION, FIELDS, FIELD, WHOLE = 50, 150, 3_000, 10, 2_000, 12_000
_TEXTS = {"plain_text": {"type", "text", "emoji"}, "mrkdwn": {"type", "text", "verbatim"}}


class Slack(Double):
    """Takes what Slack would take, and answers as it does."""

    title: ClassVar[str] = "Slack"
    pace: ClassVar[Pace] = ((1, 1.0),)

    @property
    def url(self) -> str:
        """The URL of its webhook, which is the secret."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def form(self) -> Mapping[str, str]:
        """The one field of the form."""
        return {"Webhook URL": self.url}

    def judge(self, request: Received) -> bytes:
        """Take a message, or say in a word what is wrong with it."""
        error = self._error(request)
        if error:
            return answer(404 if error.startswith("no_service") else 400, error.encode())
        self.messages.append(request.document)
        return answer(200, b"ok")

    def limited(self, seconds: int) -> bytes:
        """Answer as Slack does: in whole seconds."""
        return answer(429, b"rate_limited", Retry_After=str(seconds))

    def line(self, message: Any) -> str:
        """Return the text of a message."""
        return str(message["text"])

    @staticmethod
    def _error(request: Received) -> str:
        if request.path != PATH:
            return "no_service"
        try:
            message = json.loads(request.body)
        except ValueError:
            return "invalid_payload"
        if not isinstance(message, dict) or "json" not in request.headers.get("content-type", ""):
            return "invalid_payload"
        if not isinstance(message.get("text"), str) or not message["text"]:
            return "no_text"
        return blocks_error(message.get("blocks", []), len(message["text"]))


def blocks_error(blocks: Any, before: int = 0) -> str:
    """Return the word for what is wrong with blocks; empty: nothing is."""
    if not isinstance(blocks, list):
        return "invalid_blocks_format"
    if len(blocks) > MOST_BLOCKS or not all(map(_fits, blocks)):
        return "invalid_blocks"
    whole = before + sum(len(text) for block in blocks for text in texts(block))
    return "msg_too_long" if whole > WHOLE else ""


def texts(block: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a block."""
    for one in (block.get("text"), *block.get("fields", ())):
        if one is not None:
            yield one["text"]


def _fits(block: Any) -> bool:
    if not isinstance(block, dict):
        return False
    if block.get("type") == "header":
        return set(block) == {"type", "text"} and _text(block["text"], HEADER, ("plain_text",))
    if block.get("type") != "section" or not set(block) <= {"type", "text", "fields"}:
        return False
    fields = block.get("fields", [])
    if not {"text", "fields"} & set(block) or len(fields) > FIELDS:
        return False
    return all(_text(one, FIELD) for one in fields) and (
        "text" not in block or _text(block["text"], SECTION)
    )


def _text(one: Any, most: int, kinds: tuple[str, ...] = tuple(_TEXTS)) -> bool:
    """Return whether a text object has 1 to `most` characters, and no field that it has not."""
    if not isinstance(one, dict) or one.get("type") not in kinds:
        return False
    text = one.get("text")
    known = set(one) <= _TEXTS[one["type"]]
    return known and isinstance(text, str) and 0 < len(text) <= most
