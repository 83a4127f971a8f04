"""Integrations and their directions: what is monitored, and where each direction stands."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.kinds import Direction
from app.extensions import Model
from app.models.columns import GROWING, Key, MaybeDocument, MaybeId, MaybeTime, Time, Word
from app.storage import Id


class Integration(Model):
    """A job that synchronises two systems of the customer."""

    __tablename__ = "integrations"
    # Serves: the list by name.
    __table_args__ = (Index("integrations_name", text("lower(name)"), "id"), GROWING)

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    system1: Mapped[str] = mapped_column(String(255))
    system2: Mapped[str] = mapped_column(String(255))
    bidirectional: Mapped[bool]
    max_retry_count: Mapped[int]
    created_at: Mapped[Time]
    updated_at: Mapped[Time]

    directions: Mapped[list[IntegrationDirection]] = relationship(
        order_by="desc(IntegrationDirection.direction)", cascade="all, delete-orphan"
    )


class IntegrationDirection(Model):
    """One direction; its row is the lock under which its failures and activity are counted.

    `count` is the number of consecutive global failures, `episode` grows by one with each episode
    and `episode_since` is set while one is open. `told_delivery_id` is the last mail decided in it,
    `silent_episode` the last one in which silence was decided. `decisions` holds the current answer
    for inactivity and for recovery. `cycle_*` are its last run (domain/cycle.py).
    """

    __tablename__ = "directions"
    __table_args__ = (UniqueConstraint("integration_id", "direction"), GROWING)

    id: Mapped[Key]
    integration_id: Mapped[int] = mapped_column(Id, ForeignKey("integrations.id"))
    direction: Mapped[Direction] = mapped_column(Word(Direction))
    active: Mapped[bool]
    activated_at: Mapped[Time]
    last_activity_at: Mapped[MaybeTime]
    last_failure_at: Mapped[MaybeTime]
    count: Mapped[int]
    occurrences: Mapped[int]
    episode: Mapped[int]
    episode_since: Mapped[MaybeTime]
    told_delivery_id: Mapped[MaybeId]
    silent_episode: Mapped[int | None]
    decisions: Mapped[MaybeDocument]
    cycle_id: Mapped[str | None] = mapped_column(String(255))
    cycle_since: Mapped[MaybeTime]
    cycle_ended_at: Mapped[MaybeTime]
