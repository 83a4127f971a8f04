"""The outbox: lanes, deliveries, what they tell, whom, and every attempt."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.kinds import (
    DeliveryKind,
    DeliveryState,
    Direction,
    EndReason,
    Fail,
    LaneState,
    RecipientState,
    Verdict,
)
from app.extensions import Model
from app.models.columns import GROWING, BigId, Key, MaybeId, MaybeTime, Time, Word
from app.storage import Id

_PENDING = text("state = 'pending'")
_LEASED = text("state = 'leased'")
_OPEN = text("state IN ('pending', 'leased', 'stored')")
_WAITING = text("state = 'pending' AND due_at IS NULL")
_CANCELLED = text("state = 'cancelled'")
_TEST = text("kind = 'test'")
# For queries, in the very words of the index: SQLite uses it for these, and not for bound values.
IS_WAITING = text("deliveries.state = 'pending' AND deliveries.due_at IS NULL")
IS_OPEN = text("deliveries.state IN ('pending', 'leased', 'stored')")
IS_CANCELLED = text("deliveries.state = 'cancelled'")
IS_TEST = text("deliveries.kind = 'test'")


class Lane(Model):
    """The queue of one subscription, or of all mail of one SMTP system (`row` is null).

    It has one owner at a time: `lease_token` until `lease_until`, held by process `owner_id`. While
    it is `retrying`, deliveries up to `held_id` (no time, as clocks jump) wait for `next_try_at`
    (mail: the next pass). `fallback_delivery_id` is the message that told of it through another
    system, once per episode.
    """

    __tablename__ = "lanes"
    __table_args__ = (UniqueConstraint("system_id", "row", postgresql_nulls_not_distinct=True),)

    id: Mapped[Key]
    system_id: Mapped[int] = mapped_column(Id, ForeignKey("systems.id"))
    row: Mapped[str | None] = mapped_column(String(24))
    state: Mapped[LaneState] = mapped_column(Word(LaneState))
    since: Mapped[Time]
    round: Mapped[int]
    held_id: Mapped[MaybeId]
    next_try_at: Mapped[MaybeTime]
    error_reason: Mapped[Fail | None] = mapped_column(Word(Fail))
    error_text: Mapped[str | None] = mapped_column(Text)
    error_at: Mapped[MaybeTime]
    fallback_delivery_id: Mapped[MaybeId]
    owner_id: Mapped[MaybeId]
    lease_token: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[MaybeTime]


class Delivery(Model):
    """One notification to one system. `due_at` null: it goes with the next dispatch pass.

    `started`: its attempt row is written and has no verdict yet. `lost_leases` counts the leases
    that ended so. Server, options and recipients are not kept here: they are read when it is sent.
    `recovered_at`: activity returned while it waited. `silent_since` and `limit_minutes` are what
    an inactivity mail tells. `about_system_id`: the failing system that a
    fallback message tells of. `draft`: the values of an unsaved test, sealed, until its verdict.
    `lane_id` null: a test; `system_id` 0: of a system that was never saved.
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
        Index("deliveries_integration", "integration_id", "id"),
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


class DeliveryItem(Model):
    """One failure told by a delivery."""

    __tablename__ = "delivery_items"
    # Serves: the deliveries of one failure.
    __table_args__ = (Index("delivery_items_failure", "failure_id"),)

    delivery_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    failure_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)


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
