"""Registrations: who is told of the failures of an integration, and when."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.kinds import Direction
from app.extensions import Model
from app.models.columns import GROWING, Key, MaybeTime, MaybeWords, Time, Word, Words
from app.storage import Id


class Registration(Model):
    """One integration's settings; kept with `active` off after unregistering."""

    __tablename__ = "registrations"
    __table_args__ = GROWING

    id: Mapped[Key]
    integration_id: Mapped[int] = mapped_column(Id, ForeignKey("integrations.id"), unique=True)
    # Serves: "used by" of a system, and the refusal to delete one in use.
    system_id: Mapped[int] = mapped_column(Id, ForeignKey("systems.id"), index=True)
    active: Mapped[bool]
    include_error_trace: Mapped[bool]
    same_for_backward: Mapped[bool]
    tell_recovery: Mapped[bool]
    registered_at: Mapped[Time]
    unregistered_at: Mapped[MaybeTime]
    created_at: Mapped[Time]
    updated_at: Mapped[Time]

    directions: Mapped[list[RegistrationDirection]] = relationship(
        order_by="desc(RegistrationDirection.direction)", cascade="all, delete-orphan"
    )


class RegistrationDirection(Model):
    """The settings of one direction, as S1's form has them."""

    __tablename__ = "registration_directions"

    registration_id: Mapped[int] = mapped_column(
        Id, ForeignKey("registrations.id"), primary_key=True
    )
    direction: Mapped[Direction] = mapped_column(Word(Direction), primary_key=True)
    recipients: Mapped[Words]
    cc: Mapped[Words]
    subject_prefix: Mapped[str] = mapped_column(String(100))
    global_enabled: Mapped[bool]
    no_activity_minutes: Mapped[int | None]
    immediately: Mapped[bool]
    failure_count: Mapped[int]
    processing_enabled: Mapped[bool]
    before_max_retries: Mapped[bool]
    processing_recipients: Mapped[MaybeWords]
    processing_cc: Mapped[MaybeWords]
