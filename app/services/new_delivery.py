"""What every new row of the outbox begins with; whoever adds one says only what is its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.domain.kinds import DeliveryState


def fresh(now: datetime, **values: Any) -> dict[str, Any]:
    """Return the columns of a delivery made at `now`; `values` say what it tells and when."""
    return {
        "state": DeliveryState.PENDING,
        "reported_at": now,
        "created_at": now,
        "due_at": None,
        "item_count": 0,
        "confirmed": False,
        "attempt_count": 0,
        "retries_used": 0,
        "lost_leases": 0,
        "started": False,
        **values,
    }
