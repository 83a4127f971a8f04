"""Decisions as they are stored: a small document on the row that they are about."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.domain.notifying import Decision


def as_document(
    decision: Decision, now: datetime, delivery_id: int | None = None
) -> dict[str, Any]:
    """Return `decision` as stored (delivery.md, Decisions are data); without a history."""
    return {
        "at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": str(decision.outcome),
        "reason": str(decision.reason),
        "text": decision.text,
        "delivery": None if delivery_id is None else str(delivery_id),
        "history": [],
    }
