"""The rows that an intake transaction works on, as plain objects changed in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.kinds import DeliveryKind, Direction, FailureState, Kind
from app.domain.notifying import Decision, Rules
from app.services.decisions import as_document

HISTORY = 20


@dataclass
class Lines:
    """Where a direction stands, with what its integration and registration say."""

    id: int
    integration_id: int
    integration_key: str
    max_retry_count: int
    direction: Direction
    active: bool
    last_activity_at: datetime | None
    last_failure_at: datetime | None
    count: int
    occurrences: int
    episode: int
    episode_since: datetime | None
    told_delivery_id: int | None = None
    silent_episode: int | None = None
    decisions: dict[str, Any] | None = None
    cycle_id: str | None = None
    cycle_since: datetime | None = None
    cycle_ended_at: datetime | None = None
    rules: Rules | None = None
    no_activity_minutes: int | None = None
    tell_recovery: bool = True
    system_id: int | None = None
    lane_id: int | None = None
    told_by: DeliveryRow | None = None
    decided_by: dict[str, DeliveryRow | None] = field(default_factory=dict)
    dirty: bool = False


@dataclass(eq=False)
class FailureRow:
    """A failure of an integration, as it is and as it will be written; `id` None: new."""

    identity: bytes
    kind: Kind
    integration_id: int
    direction_id: int
    direction: Direction
    error_code: str | None
    message: str
    entity_type: str | None
    entity_id: str | None
    project: str | None
    first_logged_at: datetime
    last_logged_at: datetime
    id: int | None = None
    state: FailureState = FailureState.OPEN
    accessible: bool = True
    count: int = 0
    retry_count: int | None = None
    max_retry_count: int | None = None
    total_retry_count: int | None = None
    trace_hash: bytes | None = None
    episode: int = 0
    told_episode: int | None = None
    told_delivery_id: int | None = None
    notified_at: datetime | None = None
    notified_delivery_id: int | None = None
    decision: dict[str, object] | None = None
    told_by: DeliveryRow | None = None
    decided_by: DeliveryRow | None = None
    dirty: bool = False


@dataclass(eq=False)
class DeliveryRow:
    """A mail to be: new (`id` None), or one that waits for the pass and is joined."""

    kind: DeliveryKind
    integration_id: int
    direction: Direction
    system_id: int
    lane_id: int
    why: str
    why_text: str
    reported_at: datetime
    at_once: bool
    episode_since: datetime | None
    occurrences: int | None
    id: int | None = None
    recovered_at: datetime | None = None
    items: dict[bytes, FailureRow] = field(default_factory=dict)

    def tell(self, failure: FailureRow) -> None:
        """Add `failure` to what this mail tells, once."""
        self.items[failure.identity] = failure


@dataclass(frozen=True)
class TraceRow:
    """A trace, compressed."""

    hash: bytes
    body: bytes
    size: int
    lines: int


@dataclass(frozen=True)
class Standing:
    """Where a mail stands: it waits; it was `sent` to somebody, or not yet (None: never)."""

    waits: bool
    sent: bool | None


def note(row: FailureRow, decision: Decision, now: datetime, mail: DeliveryRow | None) -> None:
    """Store `decision` on `row`, the one before it in the history (delivery.md, Decisions)."""
    last = row.decision
    history = list(last.get("history", [])) if last else []  # type: ignore[call-overload]
    if last:
        history.append({key: last[key] for key in ("at", "reason", "text")})
    row.decision = {**as_document(decision, now), "history": history[-HISTORY:]}
    row.decided_by, row.dirty = mail, True
