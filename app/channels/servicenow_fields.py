"""What an incident of ServiceNow is given: when it opens, fires again, and is resolved."""

from __future__ import annotations

from typing import Any

from app.channels.http_event import severity, title, told
from app.channels.notice import Notice
from app.channels.servicenow_incident import RESOLVED, correlation_id
from app.channels.servicenow_options import ServiceNowOptions
from app.channels.servicenow_text import description, encoded, fitted

MOST_TITLE = 160


def opening(options: ServiceNowOptions, notice: Notice) -> bytes:
    """Return what a new incident is given."""
    made = {"correlation_id": correlation_id(notice), "correlation_display": "Tocsin"}
    if options.assignment_group.strip():
        made["assignment_group"] = options.assignment_group.strip()
    return encoded({**_standing(options, notice), **made})


def update(options: ServiceNowOptions, notice: Notice) -> bytes:
    """Return what an open incident is given: how the event is now, and a note about it."""
    event = told(notice)
    at = event.facts.get("occurredAt") or notice.at.isoformat()
    note = fitted(f"Told by Tocsin: event {event.id} of {at}", notice.link)
    return encoded({**_standing(options, notice), "work_notes": note})


def resolution(options: ServiceNowOptions, notice: Notice) -> bytes:
    """Return what resolves an incident."""
    said = title(notice, told(notice), MOST_TITLE)
    notes = fitted(f"Resolved, as Tocsin was told: {said}", notice.link)
    made: dict[str, Any] = {"state": RESOLVED, "close_code": options.close_code.strip()}
    return encoded({**made, "close_notes": notes})


def _standing(options: ServiceNowOptions, notice: Notice) -> dict[str, str]:
    event = told(notice)
    level = severity(notice, event)
    return {
        "short_description": title(notice, event, MOST_TITLE),
        "description": description(notice, event),
        "urgency": str(getattr(options, f"urgency_{level}")),
        "impact": str(getattr(options, f"impact_{level}")),
    }
