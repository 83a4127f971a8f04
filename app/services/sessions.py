"""Sessions: begun at sign-in, read once a request, ended on the server; only hashes are kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, or_, select

from app.clock import utc_now
from app.domain.people import Role
from app.errors import StorageUnavailable
from app.logs import one_line
from app.models import SignedIn, User
from app.secrets import hash_key, new_token
from app.services.installation import Installation

log = logging.getLogger(__name__)

IDLE, LONGEST = timedelta(days=14), timedelta(days=90)
SEEN_EVERY = timedelta(minutes=5)
MAX_TOKEN = 100
_SESSIONS, _USERS = SignedIn.__table__, User.__table__
_VISITOR = select(
    _USERS.c.id, _USERS.c.email, _USERS.c.name, _USERS.c.role, _USERS.c.zone, _USERS.c.theme,
    _SESSIONS.c.created_at, _SESSIONS.c.seen_at,
).join_from(_SESSIONS, _USERS).where(_USERS.c.disabled_at.is_(None))  # fmt: skip


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page; `session` names their session (the hash of its token)."""

    user_id: int
    email: str
    name: str
    role: Role
    zone: str
    theme: str
    session: str

    @property
    def actor(self) -> str:
        """The name that stands in the audit log."""
        return self.email

    def may(self, role: Role) -> bool:
        """Whether they may do what `role` may."""
        return self.role.includes(role)


@dataclass(frozen=True)
class SessionRow:
    """A session as its user sees it."""

    session: str
    created_at: datetime
    seen_at: datetime
    user_agent: str
    address: str


def begin(site: Installation, user_id: int, *, user_agent: str = "", address: str = "") -> str:
    """Begin a session and return its token, for the only time; removes those that have ended."""
    token, now = new_token(), utc_now()
    with site.store.writing() as connection:
        connection.execute(delete(_SESSIONS).where(_ended(now)))
        connection.execute(
            _SESSIONS.insert().values(
                token_hash=hash_key(token),
                user_id=user_id,
                created_at=now,
                seen_at=now,
                user_agent=one_line(user_agent.replace("\x00", ""))[:200],
                address=address[:64],
            )
        )
        connection.execute(_USERS.update().where(_USERS.c.id == user_id).values(last_seen_at=now))
    return token


def visitor(site: Installation, token: str) -> Visitor | None:
    """Return whose session it is, or None when it has ended; notes now and then that it is used."""
    if not token or len(token) > MAX_TOKEN:
        return None
    session = hash_key(token)
    with site.store.reading() as connection:
        row = connection.execute(_VISITOR.where(_SESSIONS.c.token_hash == session)).one_or_none()
    now = utc_now()
    if row is None or now - row.seen_at > IDLE or now - row.created_at > LONGEST:
        return None
    if abs(now - row.seen_at) >= SEEN_EVERY:
        _note(site, session, row.id, now)
    return Visitor(row.id, row.email, row.name, row.role, row.zone, str(row.theme), session)


def listing(site: Installation, user_id: int) -> list[SessionRow]:
    """Return the sessions of a user that have not ended, the one used last first."""
    columns = ("token_hash", "created_at", "seen_at", "user_agent", "address")
    wanted = select(*(_SESSIONS.c[name] for name in columns)).where(
        _SESSIONS.c.user_id == user_id, ~_ended(utc_now())
    )
    with site.store.reading() as connection:
        found = connection.execute(wanted.order_by(_SESSIONS.c.seen_at.desc()))
        return [SessionRow(*row) for row in found]


def end(site: Installation, user_id: int, session: str) -> None:
    """End one session of a user; one that has ended already, or of another user, stays as it is."""
    with site.store.writing() as connection:
        mine = (_SESSIONS.c.user_id == user_id, _SESSIONS.c.token_hash == session)
        connection.execute(delete(_SESSIONS).where(*mine))


def end_all(connection: Connection, user_id: int, *, but: str | None = None) -> None:
    """End every session of a user in the caller's transaction, but for one."""
    gone = delete(_SESSIONS).where(_SESSIONS.c.user_id == user_id)
    connection.execute(gone.where(_SESSIONS.c.token_hash != but) if but else gone)


def _ended(now: datetime) -> Any:
    return or_(_SESSIONS.c.seen_at < now - IDLE, _SESSIONS.c.created_at < now - LONGEST)


def _note(site: Installation, session: str, user_id: int, now: datetime) -> None:
    """Write that the session is used; reading goes on where nothing can be written now."""
    try:
        with site.store.writing(durable=False) as connection:
            mine = _SESSIONS.c.token_hash == session
            connection.execute(_SESSIONS.update().where(mine).values(seen_at=now))
            user = _USERS.c.id == user_id
            connection.execute(_USERS.update().where(user).values(last_seen_at=now))
    except StorageUnavailable as error:
        log.warning("%s", error)
