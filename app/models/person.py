"""People: users, their sessions and saved views, and the failures to sign in that are counted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.people import Role, Theme
from app.extensions import Model
from app.models.columns import GROWING, Key, MaybeTime, Time, Word
from app.storage import Id, UtcTime


class User(Model):
    """One person; `email` is lower-cased, `password_hash` None lets nobody in."""

    __tablename__ = "users"
    __table_args__ = GROWING

    id: Mapped[Key]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[Role] = mapped_column(Word(Role))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    zone: Mapped[str] = mapped_column(String(64))
    theme: Mapped[Theme] = mapped_column(Word(Theme))
    created_at: Mapped[Time]
    updated_at: Mapped[Time]
    disabled_at: Mapped[MaybeTime]
    last_seen_at: Mapped[MaybeTime]


class SignedIn(Model):
    """One session of a user; only the hash of its token is kept."""

    __tablename__ = "sessions"
    # Serve: the sessions of one user, and those that nobody has used for long.
    __table_args__ = (Index("sessions_user", "user_id"), Index("sessions_seen", "seen_at"))

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id"))
    created_at: Mapped[Time]
    seen_at: Mapped[Time]
    user_agent: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(64))


class SignInFailure(Model):
    """Failures in a row of one subject: a hash of an address, alone or with an account."""

    __tablename__ = "sign_in_failures"
    # Serves: the removal of those that are forgotten.
    __table_args__ = (Index("sign_in_failures_last", "last_at"),)

    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(UtcTime)


class SavedView(Model):
    """The filters of the list at `path`, as its query string, under a name that a user chose."""

    __tablename__ = "saved_views"
    # Serves: those of one user and list.
    __table_args__ = (UniqueConstraint("user_id", "path", "name"), GROWING)

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id"))
    path: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(60))
    query: Mapped[str] = mapped_column(String(2000))
    created_at: Mapped[Time]
