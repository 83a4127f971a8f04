"""What was reported: failures, their traces, the cycles that counted, the keys already answered."""

from __future__ import annotations

from sqlalchemy import Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.kinds import Direction, ErrorType, FailureState, Kind
from app.extensions import Model
from app.models.columns import (
    GROWING,
    Document,
    Key,
    MaybeDocument,
    MaybeId,
    MaybeTime,
    Time,
    Word,
)
from app.storage import Id

_OPEN = text("state = 'open'")
_CLOSED = text("state = 'resolved'")
_TRACED = text("trace_hash IS NOT NULL")
_TOLD, _UNTOLD = text("notified_at IS NOT NULL"), text("notified_at IS NULL")
_TIME = ("last_logged_at", "id")
# The lists are of one kind each: a count of one filter reads its index alone.
_LISTED = (*_TIME, "kind")
_CODED, _NAMED = text("error_code IS NOT NULL"), text("entity_id IS NOT NULL")


class Failure(Model):
    """A tracked failure: one row per identity, for life; `decision` is the current answer.

    `told_*` say which mail told it last and in which episode; the mail that was sent stands in
    `notified_*`. Rows of error type *other* carry the system and the reason instead of a direction.
    """

    __tablename__ = "failures"
    __table_args__ = (
        # Serves: the list, newest first, and by integration; open rows of a direction at intake.
        Index("failures_logged", "last_logged_at", "id"),
        Index("failures_integration", "integration_id", *_LISTED),
        Index(
            "failures_open",
            "direction_id",
            "kind",
            "entity_id",
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        # Serve: the list by one filter each, however few rows that leaves (reading/failures.py).
        Index("failures_kind", "kind", *_TIME, "error_code"),
        Index("failures_direction", "direction", *_LISTED),
        # One for each state: an index that begins with it would be taken in place of failures_open.
        Index("failures_still", *_LISTED, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("failures_resolved", *_LISTED, sqlite_where=_CLOSED, postgresql_where=_CLOSED),
        Index(
            "failures_code", "error_code", *_LISTED, sqlite_where=_CODED, postgresql_where=_CODED
        ),
        Index("failures_entity", "entity_id", *_TIME, sqlite_where=_NAMED, postgresql_where=_NAMED),
        Index("failures_told", *_LISTED, sqlite_where=_TOLD, postgresql_where=_TOLD),
        Index("failures_untold", *_LISTED, sqlite_where=_UNTOLD, postgresql_where=_UNTOLD),
        # Serves: pruning of traces that no failure has any more.
        Index(
            "failures_trace",
            "trace_hash",
            sqlite_where=_TRACED,
            postgresql_where=_TRACED,
        ),
        GROWING,
    )

    id: Mapped[Key]
    identity: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    error_type: Mapped[ErrorType] = mapped_column(Word(ErrorType))
    kind: Mapped[Kind | None] = mapped_column(Word(Kind))
    state: Mapped[FailureState] = mapped_column(Word(FailureState))
    integration_id: Mapped[MaybeId]
    direction_id: Mapped[MaybeId]
    direction: Mapped[Direction | None] = mapped_column(Word(Direction))
    system_id: Mapped[MaybeId]
    row: Mapped[str | None] = mapped_column(String(24))
    reason: Mapped[str | None] = mapped_column(String(24))
    error_code: Mapped[str | None] = mapped_column(String(100))
    message: Mapped[str] = mapped_column(Text)
    entity_type: Mapped[str | None] = mapped_column(String(255))
    entity_id: Mapped[str | None] = mapped_column(String(255))
    project: Mapped[str | None] = mapped_column(String(255))
    accessible: Mapped[bool]
    count: Mapped[int]
    retry_count: Mapped[int | None]
    max_retry_count: Mapped[int | None]
    total_retry_count: Mapped[int | None]
    first_logged_at: Mapped[Time]
    last_logged_at: Mapped[Time]
    trace_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    episode: Mapped[int]
    told_episode: Mapped[int | None]
    told_delivery_id: Mapped[MaybeId]
    notified_at: Mapped[MaybeTime]
    notified_delivery_id: Mapped[MaybeId]
    decision: Mapped[MaybeDocument]


class Trace(Model):
    """An error trace, kept once per content, compressed; `lines` counts all of its lines."""

    __tablename__ = "traces"

    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]
    lines: Mapped[int]
    created_at: Mapped[Time]


class CountedCycle(Model):
    """A cycle of a direction whose failure has counted in an episode."""

    __tablename__ = "counted_cycles"

    direction_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    cycle_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    episode: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[Time]


class Idempotency(Model):
    """A client's id that has been answered: the same answer is given for 62 days."""

    __tablename__ = "idempotency"
    # Serves: pruning by age.
    __table_args__ = (Index("idempotency_created", "created_at"),)

    api_key_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    client_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    answer: Mapped[Document]
    created_at: Mapped[Time]
