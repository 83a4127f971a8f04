"""What is posted to a workflow of Teams: one Adaptive Card 1.4 within its budget of bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from app.channels.http_event_words import OVER
from app.channels.http_fitting import beginning, fitted, listed, trace_head
from app.channels.http_told import TRIAL, Told, told
from app.channels.notice import Notice

BUDGET = 20_000
HEADLINE, FACT, LABELS, LINK, DESCRIPTION, LINES = 1_500, 1_100, 2_500, 2_000, 4_000, 6_000
# What a line takes besides its text, and what is said of those that are cut.
_LINE, _REST = 150, 250
_STYLES = {"warning": "warning", "info": "accent", OVER: "good", TRIAL: "accent"}
_INDENT = re.compile("^ +", re.MULTILINE)
_CARD = {
    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
    "type": "AdaptiveCard",
    "version": "1.4",
    "msteams": {"width": "Full"},
}

Element = dict[str, Any]


def payload(notice: Notice) -> bytes:
    """Return the body, in UTF-8: the trace has what all else leaves of the budget."""
    event = told(notice)
    body = [_headline(event), *_facts(event), *_events(event), *_links(event)]
    for texts in (_description, _trace):
        body += texts(event, BUDGET - len(_document(event, body)) - _REST)
    return _document(event, body)


def _document(event: Told, body: list[Element]) -> bytes:
    actions = [
        {"type": "Action.OpenUrl", "title": link.words, "url": link.url}
        for link in event.links
        if len(link.url) <= LINK
    ]
    card = {**_CARD, "body": body, "actions": actions}
    kind = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None}
    return _encoded({"type": "message", "attachments": [{**kind, "content": card}]})


def _headline(event: Told) -> Element:
    text = fitted(f"{event.mark} {event.headline}", HEADLINE, _size) + event.tail
    style, line = _STYLES.get(event.tone, "attention"), _line(text, size="Large", weight="Bolder")
    return {"type": "Container", "style": style, "bleed": True, "items": [line]}


def _facts(event: Told) -> Iterator[Element]:
    for name, value in (*event.facts, *((("Labels", event.labels),) if event.labels else ())):
        most = LABELS if name == "Labels" else FACT
        line = _line(f"{name}: ", weight="Bolder")
        line["inlines"].append(_run(fitted(value, most, _size)))
        yield line


def _events(event: Told) -> Iterator[Element]:
    lines, rest = listed(event.lines, event.total, "event", LINES, _line_size)
    if lines:
        yield from map(_line, filter(None, (*lines, rest)))


def _links(event: Told) -> Iterator[Element]:
    for link in event.links:
        if len(link.url) > LINK:
            yield _line(f"{link.words}: its address is too long for Teams, see it in Tocsin.")


def _description(event: Told, room: int) -> Iterator[Element]:
    text, rest = beginning(event.description, min(DESCRIPTION, room), _size)
    yield from _group(text.split("\n") if text.strip() else (), rest)


def _trace(event: Told, room: int) -> Iterator[Element]:
    lines, rest = trace_head(event.trace, room, _line_size)
    yield from _group(lines, rest or event.untold, style="emphasis", fontType="Monospace")


def _group(lines: Iterable[str], rest: str, style: str = "default", **look: str) -> list[Element]:
    """Return lines that stand together, and below them what is said of the rest."""
    items = [_line(line, **look) for line in lines]
    group = [{"type": "Container", "style": style, "items": items}] if items else []
    return [*group, _line(rest, isSubtle=True)] if rest else group


def _line(text: str, **look: Any) -> Element:
    """Return one line in a block of its own: unlike a TextBlock, it knows no Markdown."""
    return {"type": "RichTextBlock", "spacing": "None", "inlines": [_run(text, **look)]}


def _run(text: str, **look: Any) -> Element:
    return {"type": "TextRun", "text": _safe(text) or "\u00a0", **look}


def _safe(text: str) -> str:
    """Return `text` with its indentation, and without what a card computes times from."""
    indented = _INDENT.sub(lambda found: "\u00a0" * len(found[0]), text)
    return indented.replace("{{", "{\u200b{")


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _size(text: str) -> int:
    """Return how many bytes a text takes, each of its lines after the first as a block."""
    return len(_encoded(_safe(text))) - 2 + _LINE * text.count("\n")


def _line_size(line: str) -> int:
    return _size(line) + _LINE
