"""A double of a workflow of Teams: it starts whatever it is sent, and posts what is a card.

As with the real one, the answer to a start says nothing of the post: `messages` holds the cards
that a channel would show, `lost` why the others would not be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tests.servers.doubles.double import Double, Pace
from tests.servers.http_sink import Received, answer

PATH = "/workflows/0double0/triggers/manual/paths/invoke"
SIGNATURE = "sig=dOuBlE-oF%2Fa%2BsIgNaTuRe_0001"
QUERY = f"api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&{SIGNATURE}"
CARD = "application/vnd.microsoft.card.adaptive"
MOST_BYTES, MOST_ACTIONS = 28 * 1024, 6
_STYLES = {"default", "emphasis", "good", "attention", "warning", "accent"}
_RUN = {"type", "text", "size", "weight", "color", "isSubtle", "fontType"}


class Teams(Double):
    """Starts a flow for who knows its signature, and posts the cards that Teams would show."""

    title: ClassVar[str] = "Microsoft Teams"
    pace: ClassVar[Pace] = ((4, 1.0), (60, 30.0))

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.lost: list[str] = []

    @property
    def url(self) -> str:
        """The URL of the workflow, which is the secret."""
        return f"http://127.0.0.1:{self.port}{PATH}?{QUERY}"

    @property
    def form(self) -> Mapping[str, str]:
        """The one field of the form."""
        return {"Workflow URL": self.url}

    def judge(self, request: Received) -> bytes:
        """Start a flow, and post."""
        path, _, query = request.path.partition("?")
        if path != PATH:
            return _refusal(404, "WorkflowNotFound")
        if SIGNATURE not in query.split("&"):
            return _refusal(401, "AuthorizationFailed")
        try:
            message = json.loads(request.body)
        except ValueError:
            return _refusal(400, "InvalidRequestContent")
        if not isinstance(message, dict) or not isinstance(message.get("attachments"), list):
            return _refusal(400, "TriggerInputSchemaMismatch")
        problem = _problem(message, len(request.body))
        if problem:
            self.lost.append(problem)
        else:
            self.messages.append(message)
        return answer(202, b"")

    def limited(self, seconds: int) -> bytes:
        """Answer as the platform does."""
        body = b'{"error":{"code":"TooManyRequests"}}'
        return answer(429, body, Retry_After=str(seconds))

    def line(self, message: Any) -> str:
        """Return the first line of a card."""
        card = message["attachments"][0]["content"]
        return next(text(card["body"]), "(an empty card)")


def _refusal(status: int, code: str) -> bytes:
    return answer(status, json.dumps({"error": {"code": code}}).encode())


def text(elements: Any) -> Iterator[str]:
    """Yield the lines of a card."""
    for one in elements:
        if one["type"] == "Container":
            yield from text(one["items"])
        else:
            yield "".join(run["text"] for run in one["inlines"])


def _problem(message: Mapping[str, Any], size: int) -> str:
    """Return why Teams would not show a message; empty: it would."""
    if size > MOST_BYTES:
        return f"{size} bytes"
    if set(message) != {"type", "attachments"} or message["type"] != "message":
        return "not a message with attachments"
    if len(message["attachments"]) != 1:
        return "not one attachment"
    attached = message["attachments"][0]
    if set(attached) != {"contentType", "contentUrl", "content"}:
        return "not an attachment"
    if attached["contentType"] != CARD or attached["contentUrl"] is not None:
        return "not an Adaptive Card"
    return _card_problem(attached["content"])


def _card_problem(card: Mapping[str, Any]) -> str:
    if card.get("type") != "AdaptiveCard" or card.get("version") != "1.4":
        return "not an Adaptive Card 1.4"
    if card.get("msteams") != {"width": "Full"} or not card.get("body"):
        return "no body, or not of full width"
    if not all(map(_shown, card["body"])):
        return "an element that Teams does not show"
    actions = card.get("actions", [])
    if len(actions) > MOST_ACTIONS or not all(map(_opens, actions)):
        return "an action that a workflow cannot have"
    return ""


def _opens(action: Mapping[str, Any]) -> bool:
    known = set(action) == {"type", "title", "url"} and action["type"] == "Action.OpenUrl"
    return known and bool(action["title"]) and action["url"].startswith(("https://", "http://"))


def _shown(element: Mapping[str, Any]) -> bool:
    if element.get("type") == "Container":
        known = set(element) <= {"type", "style", "bleed", "items"}
        return known and element["style"] in _STYLES and all(map(_shown, element["items"]))
    known = set(element) <= {"type", "spacing", "inlines"}
    if not known or element.get("type") != "RichTextBlock" or not element["inlines"]:
        return False
    return all(map(_runs, element["inlines"]))


def _runs(run: Mapping[str, Any]) -> bool:
    known = set(run) <= _RUN and run["type"] == "TextRun"
    return known and isinstance(run["text"], str) and bool(run["text"])
