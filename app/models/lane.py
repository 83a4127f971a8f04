"""Lanes: the queues that workers drain, one of each subscription or mail system."""

from __future__ import annotations

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.kinds import Fail, LaneState, Policy
from app.extensions import Model
from app.models.columns import BigId, Key, MaybeDocument, MaybeId, MaybeTime, Time, Word
from app.storage import Id


class Lane(Model):
    """The queue of one subscription, or of all mail of one SMTP system (`row` is null).

    It has one owner at a time: `lease_token` until `lease_until`, held by process `owner_id`. While
    it is `retrying`, deliveries up to `held_id` (no time, as clocks jump) wait for `next_try_at`
    (mail: the next pass; HTTP: the next round). `held_id` null: the endpoint answers, and what
    failed waits for its own time. `fallback_delivery_id` is the message that told of it through
    another system, once per episode.

    `policy`, `retry_number` and `retry_delay` (seconds) are the retry policy that holds,
    `own_policy` that of the subscription itself, if it has one; mail has none of them. `round`
    counts the rounds while anything is in the lane. `asked`: somebody asked for a try at once.
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
    policy: Mapped[Policy | None] = mapped_column(Word(Policy))
    retry_number: Mapped[int | None]
    retry_delay: Mapped[int | None]
    own_policy: Mapped[MaybeDocument]
    asked: Mapped[bool] = mapped_column(default=False)


class LaneEntry(Model):
    """Which deliveries of a lane had failed once when its `round` stood so: those up to `upto_id`.

    So a failed round counts for thousands without touching their rows (delivery.md, A lane).
    """

    __tablename__ = "lane_entries"

    lane_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    upto_id: Mapped[BigId]


class Pace(Model):
    """When the last messages of a system that is paced were sent, in microseconds since 1970."""

    __tablename__ = "paces"

    system_id: Mapped[int] = mapped_column(
        Id, ForeignKey("systems.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    sent: Mapped[list[int]] = mapped_column(JSON)
