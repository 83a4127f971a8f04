"""Events of ServiceNow's Event Management: one record for each event of a notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from app.channels.http_event import bounded, key, severity
from app.channels.notice import TEST, EventPart, Notice
from app.channels.servicenow_text import description, encoded

PATH = "/api/global/em/jsonv2"
MOST_KEY = 1_024
# Of source, event_class, node, resource and type; additional_info has none that is documented.
_MOST_NAME, _MOST_MORE, _MOST_VALUE = 100, 4_000, 1_000
# 1 Critical, 2 Major, 3 Minor, 4 Warning, 5 OK; 0 clears the alert.
_SEVERITIES = {"critical": "1", "error": "2", "warning": "4", "info": "5"}
_CLEAR = "0"
_MORE = (
    "id", "status", "severityReceived", "source", "node", "integration", "direction", "code",
    "link", "count", "occurredAt", "receivedAt",
)  # fmt: skip


def message_key(notice: Notice, event: EventPart) -> str:
    """Return the key of the alert."""
    return bounded(key(notice, event), MOST_KEY)


def records(notice: Notice) -> bytes:
    """Return the body: the events of a notice in their order."""
    return encoded({"records": [_record(notice, event) for event in notice.events]})


def _record(notice: Notice, event: EventPart) -> dict[str, str]:
    facts = event.facts
    source = _name(facts.get("source")) or "Tocsin"
    return {
        "source": "Tocsin",
        "event_class": source,
        "node": _name(facts.get("node")),
        "resource": _name(facts.get("integration")),
        "type": _name(facts.get("code")) or source,
        "message_key": message_key(notice, event),
        "severity": _severity(notice, event),
        "description": description(Notice(**{**vars(notice), "events": (event,)}), event),
        "additional_info": _more(notice, event),
        "time_of_event": _moment(facts.get("occurredAt"), notice.at),
    }


def _severity(notice: Notice, event: EventPart) -> str:
    """Return a severity; a test clears nothing."""
    if event.facts.get("status") == "resolved" and notice.type != TEST:
        return _CLEAR
    return _SEVERITIES[severity(notice, event)]


def _more(notice: Notice, event: EventPart) -> str:
    """Return an object of texts as JSON text; what would make it too long is left out."""
    made, size = {}, 2
    for name, value in _facts(notice, event):
        size += len(json.dumps({name: value}))
        if size <= _MOST_MORE:
            made[name] = value
    return json.dumps(made)


def _facts(notice: Notice, event: EventPart) -> Iterator[tuple[str, str]]:
    facts = event.facts
    if notice.link:
        yield "tocsin", notice.link
    for name in _MORE:
        if facts.get(name) not in (None, ""):
            yield name, str(facts[name])[:_MOST_VALUE]
    for name, value in (facts.get("labels") or {}).items():
        yield f"label {name}", str(value)[:_MOST_VALUE]


def _name(value: Any) -> str:
    return str(value or "")[:_MOST_NAME]


def _moment(occurred: Any, otherwise: datetime) -> str:
    """Return a time in GMT as Event Management reads it."""
    try:
        at = datetime.fromisoformat(str(occurred))
    except ValueError:
        at = otherwise
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
