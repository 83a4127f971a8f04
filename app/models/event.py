"""Events as they were received, and the matrix that routed them."""

from __future__ import annotations

from sqlalchemy import Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.event_kinds import EventOutcome, EventStatus, Severity, Source
from app.domain.kinds import Direction
from app.extensions import Model
from app.models.columns import GROWING, Document, Key, MaybeId, Time, Word

_NAMED = text("dedup_key IS NOT NULL")
_HAS_INTEGRATION = text("integration_id IS NOT NULL")
_TRACED = text("trace_hash IS NOT NULL")


class Event(Model):
    """One fact as received, immutable (product.md 1); `document` is what the API says of it.

    It is JSON text, made once when the event was taken, and sent as it stands. `decisions` is JSON
    text as well: what `domain.routing.route` said of it, by the matrix of `revision_id` (null:
    there was none).
    """

    __tablename__ = "events"
    __table_args__ = (
        # Serves: the list by source, and by source and severity, newest first.
        Index("events_source", "source", "severity", "id"),
        # Serves: what has the same key, newest first.
        Index("events_key", "dedup_key", "id", sqlite_where=_NAMED, postgresql_where=_NAMED),
        # Serves: the list of one integration.
        Index(
            "events_integration",
            "integration_id",
            "id",
            sqlite_where=_HAS_INTEGRATION,
            postgresql_where=_HAS_INTEGRATION,
        ),
        # Serves: pruning of traces that nothing has any more.
        Index("events_trace", "trace_hash", sqlite_where=_TRACED, postgresql_where=_TRACED),
        GROWING,
    )

    id: Mapped[Key]
    received_at: Mapped[Time]
    source: Mapped[Source] = mapped_column(Word(Source))
    severity: Mapped[Severity] = mapped_column(Word(Severity))
    status: Mapped[EventStatus] = mapped_column(Word(EventStatus))
    outcome: Mapped[EventOutcome] = mapped_column(Word(EventOutcome))
    code: Mapped[str | None] = mapped_column(String(100))
    dedup_key: Mapped[str | None] = mapped_column(String(255))
    integration_id: Mapped[MaybeId]
    direction: Mapped[Direction | None] = mapped_column(Word(Direction))
    failure_id: Mapped[MaybeId]
    revision_id: Mapped[MaybeId]
    trace_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    document: Mapped[str] = mapped_column(Text)
    decisions: Mapped[str] = mapped_column(Text)


class RouteRevision(Model):
    """One state of the routing matrix: its 27 cells by system ids; the last one holds.

    `document` also names the systems, so that a decision of long ago can be explained.
    """

    __tablename__ = "route_revisions"
    __table_args__ = GROWING

    id: Mapped[Key]
    made_at: Mapped[Time]
    actor: Mapped[str] = mapped_column(String(200))
    document: Mapped[Document]
