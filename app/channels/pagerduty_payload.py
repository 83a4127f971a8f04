"""What is posted to PagerDuty: one event in PD-CEF, within its limits (Events API v2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.channels.http_event import bounded, key, severity, title, told
from app.channels.notice import RESOLVED, EventPart, Notice
from app.secrets import Secret

# "512 KB", whichever of the two is meant.
MOST_BODY = 512_000
MOST_SUMMARY, MOST_KEY = 1_024, 255
# Long enough for every name; nothing is documented.
_MOST_NAME = 255
_DETAILS = (
    "id", "description", "status", "severityReceived", "code", "source", "node", "integration",
    "direction", "failure", "labels", "link", "count", "occurredAt", "receivedAt",
)  # fmt: skip
_NOTE = "The details are left out, as they are longer than PagerDuty takes. See the link."
_LINK = "Open in Tocsin"


def action(notice: Notice) -> str:
    """Return the event action; a test is a trigger, which nothing resolves."""
    return "resolve" if notice.type == RESOLVED else "trigger"


def dedup_key(notice: Notice) -> str:
    """Return the key of the alert."""
    return bounded(key(notice, told(notice)), MOST_KEY)


def payload(notice: Notice, routing_key: Secret) -> bytes:
    """Return the body; where the whole is too long, its details become a note and the link."""
    event = told(notice)
    made = _body(notice, event, routing_key, _details(notice, event))
    if len(made) <= MOST_BODY:
        return made
    return _body(notice, event, routing_key, _filled({"note": _NOTE, "link": notice.link}))


def _body(
    notice: Notice, event: EventPart, routing_key: Secret, details: Mapping[str, Any]
) -> bytes:
    facts, link = event.facts, notice.link
    content = {
        "summary": title(notice, event, MOST_SUMMARY, link),
        "source": _name(facts.get("node")) or _name(facts.get("source")) or "Tocsin",
        "severity": severity(notice, event),
        "timestamp": facts.get("occurredAt") or notice.at.isoformat(),
        "component": _name(facts.get("integration")),
        "group": _name(facts.get("source")),
        "class": _name(facts.get("code")),
        "custom_details": details,
    }
    made = {
        "routing_key": routing_key.reveal(),
        "event_action": action(notice),
        "dedup_key": dedup_key(notice),
        "payload": _filled(content),
        "links": [{"href": link, "text": _LINK}] if link else None,
        "client": "Tocsin",
        "client_url": link,
    }
    return json.dumps(_filled(made), ensure_ascii=False).encode("utf-8", "replace")


def _details(notice: Notice, event: EventPart) -> dict[str, Any]:
    facts = {name: event.facts.get(name) for name in _DETAILS}
    others = [one.facts.get("title") for one in notice.events if one is not event]
    return _filled({**facts, "tocsin": notice.link, "others": others, "trace": event.trace})


def _filled(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value not in (None, "", [], {})}


def _name(value: Any) -> str:
    return str(value or "")[:_MOST_NAME]
