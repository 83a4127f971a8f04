"""The outbox: deliveries, what they tell, whom, and every attempt."""

from __future__ import annotations

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.kinds import (
    DeliveryKind,
    DeliveryState,
    Direction,
    EndReason,
    Fail,
    Fault,
    RecipientState,
    Verdict,
)
from app.extensions import Model
from app.models.columns import (
    GROWING,
    BigId,
    Key,
    MaybeId,
    MaybeTime,
    Time,
    Word,
)
from app.storage import Id

_PENDING = text("state = 'pending'")
_LEASED = text("state = 'leased'")
_STORED = text("state = 'stored'")
# What tells failures has an integration; routed events are many, and stand in none of these.
_HAS_INTEGRATION = text("integration_id IS NOT NULL")
_OPEN = text("state IN ('pending', 'leased', 'stored') AND integration_id IS NOT NULL")
_WAITING = text("state = 'pending' AND due_at IS NULL")
_CANCELLED = text("state = 'cancelled' AND integration_id IS NOT NULL")
_TEST = text("kind = 'test'")
_HAS_EVENT = text("event_id IS NOT NULL")
_ORDERED = text("order_key IS NOT NULL AND state IN ('pending', 'leased', 'stored')")
# For queries, in the very words of the index: SQLite uses it for these, and not for bound values.
IS_WAITING = text("deliveries.state = 'pending' AND deliveries.due_at IS NULL")
IS_OPEN = text("deliveries.state IN ('pending', 'leased', 'stored')")
IS_CANCELLED = text("deliveries.state = 'cancelled'")
IS_PENDING = text("deliveries.state = 'pending'")
IS_LEASED = text("deliveries.state = 'leased'")
IS_STORED = text("deliveries.state = 'stored'")
IS_TEST = text("deliveries.kind = 'test'")


class Delivery(Model):
    """One notification to one system. `due_at` null: it goes with the next dispatch pass.

    `started`: its attempt row is written and has no verdict yet. `lost_leases` counts the leases
    that ended so. Server, options and recipients are not kept here: they are read when it is sent.
    `recovered_at`: activity returned while it waited. `silent_since` and `limit_minutes` are what
    an inactivity mail tells. `about_system_id`: the failing system that a
    fallback message tells of. `draft`: the values of an unsaved test, sealed, until its verdict.
    `lane_id` null: a test; `system_id` 0: of a system that was never saved.

    Routed: `event_id` is the event it tells, or the events stand in `delivery_events` (a batch).
    Deliveries of one lane and one `order_key` never overlap. `fault` says whose fault the last
    failed attempt of its own was: one that fails for the *message* has a clock of its own, `due_at`
    with `retries_used`; for the others the rounds of the lane count (`lane_entries`).
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        # Serves: the claim of a lane's due deliveries, and whether a lane has any.
        Index(
            "deliveries_due",
            "lane_id",
            "due_at",
            "id",
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
        # Serves: the flush of what is stored, the oldest first.
        Index(
            "deliveries_stored",
            "lane_id",
            "due_at",
            "id",
            sqlite_where=_STORED,
            postgresql_where=_STORED,
        ),
        # Serves: whether something older of the same order is open.
        Index(
            "deliveries_ordered",
            "lane_id",
            "order_key",
            "id",
            sqlite_where=_ORDERED,
            postgresql_where=_ORDERED,
        ),
        # Serves: the deliveries of one event.
        Index("deliveries_event", "event_id", sqlite_where=_HAS_EVENT, postgresql_where=_HAS_EVENT),
        # Serves: the sweep that gives back what a dead owner held.
        Index("deliveries_leased", "lane_id", sqlite_where=_LEASED, postgresql_where=_LEASED),
        # Serves: the mail that waits for the pass, at intake and by the pass itself.
        Index(
            "deliveries_waiting",
            "integration_id",
            "id",
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
        # Serves: what waits for an integration (joining, cancelling, counting, "n waiting").
        Index(
            "deliveries_open",
            "integration_id",
            "system_id",
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        # Serve: the list by system, by integration, and by time.
        Index("deliveries_system", "system_id", "id"),
        Index(
            "deliveries_integration",
            "integration_id",
            "id",
            sqlite_where=_HAS_INTEGRATION,
            postgresql_where=_HAS_INTEGRATION,
        ),
        Index("deliveries_made", "created_at"),
        # Serves: the tests that wait or are under way; whether one was ever delivered.
        Index("deliveries_tests", "id", sqlite_where=_TEST, postgresql_where=_TEST),
        # Serves: the undo of unregistering, which makes due again what it had cancelled.
        Index(
            "deliveries_cancelled",
            "integration_id",
            "id",
            sqlite_where=_CANCELLED,
            postgresql_where=_CANCELLED,
        ),
        GROWING,
    )

    id: Mapped[Key]
    kind: Mapped[DeliveryKind] = mapped_column(Word(DeliveryKind))
    state: Mapped[DeliveryState] = mapped_column(Word(DeliveryState))
    reason: Mapped[EndReason | None] = mapped_column(Word(EndReason))
    system_id: Mapped[BigId]
    lane_id: Mapped[MaybeId]
    integration_id: Mapped[MaybeId]
    direction: Mapped[Direction | None] = mapped_column(Word(Direction))
    subject: Mapped[str | None] = mapped_column(String(400))
    message_id: Mapped[str | None] = mapped_column(String(255))
    why: Mapped[str] = mapped_column(String(24))
    why_text: Mapped[str] = mapped_column(Text)
    episode_since: Mapped[MaybeTime]
    occurrences: Mapped[int | None]
    item_count: Mapped[int]
    reported_at: Mapped[Time]
    created_at: Mapped[Time]
    due_at: Mapped[MaybeTime]
    finished_at: Mapped[MaybeTime]
    confirmed: Mapped[bool]
    attempt_count: Mapped[int]
    retries_used: Mapped[int]
    lost_leases: Mapped[int]
    started: Mapped[bool]
    lease_token: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[MaybeTime]
    parent_id: Mapped[MaybeId]
    recovered_at: Mapped[MaybeTime]
    silent_since: Mapped[MaybeTime]
    limit_minutes: Mapped[int | None]
    about_system_id: Mapped[MaybeId]
    draft: Mapped[str | None] = mapped_column(Text)
    event_id: Mapped[MaybeId]
    order_key: Mapped[MaybeId]
    fault: Mapped[Fault | None] = mapped_column(Word(Fault))


class DeliveryItem(Model):
    """One failure told by a delivery."""

    __tablename__ = "delivery_items"
    # Serves: the deliveries of one failure.
    __table_args__ = (Index("delivery_items_failure", "failure_id"),)

    delivery_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    failure_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)


class DeliveryEvent(Model):
    """One event told by a delivery that tells several (batch notify)."""

    __tablename__ = "delivery_events"
    # Serves: the deliveries of one event.
    __table_args__ = (Index("delivery_events_event", "event_id"),)

    delivery_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)


class DeliveryRecipient(Model):
    """What the mail server last said of one recipient of a delivery."""

    __tablename__ = "delivery_recipients"

    delivery_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    address: Mapped[str] = mapped_column(String(320), primary_key=True)
    role: Mapped[str] = mapped_column(String(4))
    state: Mapped[RecipientState] = mapped_column(Word(RecipientState))
    code: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[Time]


class Attempt(Model):
    """One try, written before the network is touched; `verdict` null: nobody saw its end yet.

    Equal consecutive failures fold into one row: `count` of them, from `started_at` to `last_at`.
    """

    __tablename__ = "attempts"

    delivery_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    process_id: Mapped[MaybeId]
    started_at: Mapped[Time]
    last_at: Mapped[MaybeTime]
    duration_ms: Mapped[int | None]
    count: Mapped[int]
    verdict: Mapped[Verdict | None] = mapped_column(Word(Verdict))
    reason: Mapped[Fail | None] = mapped_column(Word(Fail))
    status: Mapped[int | None]
    request: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    transcript: Mapped[str | None] = mapped_column(Text)
