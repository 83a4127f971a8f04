"""Rows as workers leave them, for what is read and acted upon."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from app.domain.kinds import DeliveryKind, DeliveryState, LaneState
from app.models import (
    Attempt,
    Delivery,
    DeliveryItem,
    DeliveryRecipient,
    DispatchRun,
    Failure,
    Integration,
    IntegrationDirection,
    Lane,
    Process,
    Registration,
    RegistrationDirection,
    System,
)
from app.services.installation import Installation

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
MADE = {"created_at": NOON, "updated_at": NOON}


def add(site: Installation, model: Any, **values: Any) -> int:
    """Insert a row and return its id (0 where it has none)."""
    with site.store.writing() as connection:
        done = connection.execute(insert(model).values(**values))
    key = done.inserted_primary_key
    return int(key[0]) if key is not None and isinstance(key[0], int) else 0


def system(site: Installation, name: str = "Mail", **values: Any) -> int:
    """Add a system of kind smtp."""
    fixed = {"kind": "smtp", "version": "N/A", "status": "running", "options": {}, "secrets": {}}
    return add(site, System, **{"name": name, **fixed, **MADE, **values})


def lane(site: Installation, system_id: int, **values: Any) -> int:
    """Add a lane in its normal state."""
    normal = {"system_id": system_id, "state": LaneState.NORMAL, "since": NOON, "round": 0}
    return add(site, Lane, **{**normal, **values})


def integration(site: Installation, key: str = "erp") -> int:
    """Add an integration with its forward direction."""
    names = {"key": key, "name": key, "system1": "A", "system2": "B"}
    made = add(site, Integration, **names, bidirectional=True, max_retry_count=3, **MADE)
    add(
        site,
        IntegrationDirection,
        integration_id=made,
        direction="forward",
        active=True,
        activated_at=NOON,
        count=0,
        occurrences=0,
        episode=0,
    )
    return made


def registration(site: Installation, integration_id: int, system_id: int, **forward: Any) -> int:
    """Register an integration: both directions as `forward` says."""
    made = add(
        site,
        Registration,
        integration_id=integration_id,
        system_id=system_id,
        active=True,
        include_error_trace=True,
        same_for_backward=True,
        tell_recovery=True,
        registered_at=NOON,
        **MADE,
    )
    settings = {
        "recipients": ["ops@example.org"],
        "cc": [],
        "subject_prefix": "",
        "global_enabled": True,
        "immediately": False,
        "failure_count": 3,
        "processing_enabled": True,
        "before_max_retries": False,
    }
    add(
        site,
        RegistrationDirection,
        **{"registration_id": made, "direction": "forward", **settings, **forward},
    )
    return made


def delivery(site: Installation, system_id: int, **values: Any) -> int:
    """Add a failure mail that waits for the pass."""
    fixed = {
        "kind": DeliveryKind.FAILURE,
        "state": DeliveryState.PENDING,
        "direction": "forward",
        "why": "count_reached",
        "why_text": "3 of 3 failures in a row.",
        "item_count": 1,
        "reported_at": NOON,
        "created_at": NOON,
        "confirmed": False,
        "attempt_count": 0,
        "retries_used": 0,
        "lost_leases": 0,
        "started": False,
    }
    return add(site, Delivery, **{"system_id": system_id, **fixed, **values})


def item(site: Installation, delivery_id: int, failure_id: int) -> None:
    """Let a delivery tell a failure."""
    add(site, DeliveryItem, delivery_id=delivery_id, failure_id=failure_id)


def recipient(site: Installation, delivery_id: int, address: str, **values: Any) -> None:
    """Add what a mail server said of a recipient."""
    said = {"role": "to", "state": "accepted", "code": 250, "text": "OK", "at": NOON}
    add(site, DeliveryRecipient, delivery_id=delivery_id, address=address, **{**said, **values})


def attempt(site: Installation, delivery_id: int, number: int, **values: Any) -> None:
    """Add an attempt."""
    fixed = {"delivery_id": delivery_id, "number": number, "started_at": NOON, "count": 1}
    add(site, Attempt, **{**fixed, **values})


def other_error(site: Installation, system_id: int, integration_id: int | None) -> int:
    """Add an other error of a system."""
    return add(
        site,
        Failure,
        identity=bytes(32),
        error_type="other",
        state="open",
        system_id=system_id,
        integration_id=integration_id,
        reason="connection",
        message="Could not connect",
        accessible=True,
        count=2,
        first_logged_at=NOON,
        last_logged_at=NOON,
        episode=0,
    )


def run(site: Installation, state: str = "done", **values: Any) -> int:
    """Add a dispatch pass."""
    counts = dict.fromkeys(("considered", "notified", "held", "skipped", "failed"), 0)
    fixed = {"cause": "manual", "state": state, "created_at": NOON}
    return add(site, DispatchRun, **{**fixed, **counts, **values})


def process(site: Installation, role: str, seen_at: datetime) -> None:
    """Add a process of a role."""
    where = {"place": "here", "pid": 1, "started": "1"}
    add(site, Process, role=role, began_at=seen_at, seen_at=seen_at, **where)


def column(site: Installation, attribute: Any, row_id: int) -> Any:
    """Return one column of one row, or None where the row is gone."""
    with site.store.reading() as connection:
        return connection.scalar(select(attribute).where(attribute.class_.id == row_id))
