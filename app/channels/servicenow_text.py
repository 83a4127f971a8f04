"""What ServiceNow is told of an event in words, within the lengths of its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from app.channels.notice import EventPart, Notice

MOST_TEXT = 4_000
_FACTS = (
    ("Source", "source"), ("Severity", "severityReceived"), ("Status", "status"),
    ("Node", "node"), ("Integration", "integration"), ("Direction", "direction"),
    ("Code", "code"), ("Time", "occurredAt"), ("Event", "id"), ("Link", "link"),
)  # fmt: skip


def description(notice: Notice, event: EventPart) -> str:
    """Return all that is known of an event, or as much as fits, and the link in any case."""
    return fitted("\n".join(_lines(notice, event)), notice.link)


def fitted(told: str, link: str) -> str:
    """Return a text with the link behind it; where it is cut it says so."""
    end = f"\n\nTocsin: {link}" if link else ""
    if len(told) + len(end) <= MOST_TEXT:
        return told + end
    end = f"… (cut){end}"[:MOST_TEXT]
    return told[: MOST_TEXT - len(end)] + end


def _lines(notice: Notice, event: EventPart) -> Iterator[str]:
    facts = event.facts
    yield str(facts.get("title") or "")
    if facts.get("description"):
        yield f"\n{facts['description']}"
    yield ""
    for name, fact in _FACTS:
        if facts.get(fact):
            yield f"{name}: {facts[fact]}"
    for name, value in (facts.get("labels") or {}).items():
        yield f"{name}: {value}"
    for other in notice.events:
        if other is not event:
            yield f"Also: {other.facts.get('title')}"
    if event.trace:
        yield f"\n{event.trace}"


def encoded(document: Mapping[str, Any]) -> bytes:
    """Return a document as the body of a request."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
