"""What a mail says of events, read from the documents that were made when they were taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.domain.event_kinds import EventStatus, Received, Severity, Source
from app.rendering.mail import EventLine
from app.services.deliver.found import Told

_WORST_FIRST = list(reversed(Received))


def event_facts(told: Sequence[Told]) -> dict[str, Any]:
    """Return the fields of an EventMail about `told`, at least one; the worst one leads.

    Raises ValueError, KeyError or TypeError for a document that is damaged.
    """
    documents = [(json.loads(item.row.document), item) for item in told]
    facts, first = min(documents, key=lambda one: _urgency(one[0]))
    others = sorted((one for one, item in documents if item is not first), key=_urgency)
    return {
        **_line(facts),
        "severity": Severity(facts["severity"]),
        "description": facts["description"],
        "labels": facts["labels"],
        "reported_link": facts["link"],
        "received_at": datetime.fromisoformat(facts["receivedAt"]),
        "trace": first.trace,
        "trace_lines": 0 if others else first.row.lines or 0,
        "resolved_at": first.row.latest_at if _is_over(first, facts) else None,
        "others": tuple(EventLine(**_line(one)) for one in others),
        "total": max(first.row.total, len(told)),
    }


def _is_over(item: Told, facts: dict[str, Any]) -> bool:
    """Return whether it is the opening of what has been resolved since."""
    fires = facts["status"] == EventStatus.FIRING
    return fires and item.row.latest is EventStatus.RESOLVED


def _urgency(facts: dict[str, Any]) -> tuple[bool, int]:
    """Return what sorts events: what fires before what is over, then the worst first."""
    severity = _WORST_FIRST.index(Received(facts["severityReceived"]))
    return facts["status"] == EventStatus.RESOLVED, severity


def _line(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": facts["title"],
        "source": Source(facts["source"]),
        "received": Received(facts["severityReceived"]),
        "status": EventStatus(facts["status"]),
        "node": facts["node"],
        "occurred_at": datetime.fromisoformat(facts["occurredAt"]),
    }
