"""What administrators configure besides integrations: systems, settings, schedules, keys, audit."""

from __future__ import annotations

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.extensions import Model
from app.models.columns import (
    GROWING,
    Document,
    Key,
    MaybeDocument,
    MaybeTime,
    Time,
    Words,
)
from app.storage import Id


class System(Model):
    """A configured endpoint; `secrets` holds {name: {"sealed", "setAt"}}, never clear text."""

    __tablename__ = "systems"
    __table_args__ = GROWING

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[str] = mapped_column(String(24))
    version: Mapped[str] = mapped_column(String(50))
    status: Mapped[str] = mapped_column(String(24))
    fallback_id: Mapped[int | None] = mapped_column(Id, ForeignKey("systems.id"))
    retry_policy: Mapped[MaybeDocument]
    options: Mapped[Document]
    secrets: Mapped[Document]
    created_at: Mapped[Time]
    updated_at: Mapped[Time]


class Preference(Model):
    """One setting of the installation, by name; absent means the default in code."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[object] = mapped_column(JSON(none_as_null=True), nullable=True)
    updated_at: Mapped[Time]


class Schedule(Model):
    """When a periodic job runs: an interval in seconds, a cron line with its zone, or never."""

    __tablename__ = "schedules"
    __table_args__ = GROWING

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(100), unique=True)
    built_in: Mapped[bool]
    every_n: Mapped[int | None]
    every_unit: Mapped[str | None] = mapped_column(String(10))
    cron: Mapped[str | None] = mapped_column(String(200))
    zone: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[Time]
    updated_at: Mapped[Time]


class ApiKey(Model):
    """A key of the HTTP interface; only the hash of the key is kept."""

    __tablename__ = "api_keys"
    __table_args__ = GROWING

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(100))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[Words]
    integration_key: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[Time]
    revoked_at: Mapped[MaybeTime]


class Audit(Model):
    """One change of the configuration: who, when, what, before and after; secrets masked."""

    __tablename__ = "audit"
    # Serves: the audit log of one thing (its History tab), newest first.
    __table_args__ = (Index("audit_subject", "subject_kind", "subject_name", "id"), GROWING)

    id: Mapped[Key]
    at: Mapped[Time]
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(24))
    subject_kind: Mapped[str] = mapped_column(String(24))
    subject_name: Mapped[str] = mapped_column(String(255))
    before: Mapped[MaybeDocument]
    after: Mapped[MaybeDocument]
