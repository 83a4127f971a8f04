"""API keys: made, listed, revoked, and looked up by their hash; only the hash is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select

from app.clock import monotonic, utc_now
from app.errors import Conflict, Fault, Invalid, NotFound
from app.models import ApiKey
from app.secrets import Secret, hash_key, new_token
from app.services import audit
from app.services.installation import Installation
from app.shapes import line_break, unstorable
from app.storage import Store

CACHE_SECONDS = 1.0
MAX_CACHED = 10_000
MAX_NAME = 100
MAX_KEY = 255
KIND = "API key"


class Scope(StrEnum):
    """What a key may do."""

    REPORT = "report"
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


_INCLUDES = {
    Scope.REPORT: {Scope.REPORT},
    Scope.READ: {Scope.READ},
    Scope.OPERATE: {Scope.OPERATE, Scope.READ},
    Scope.ADMIN: set(Scope),
}


@dataclass(frozen=True)
class Caller:
    """Who calls: a key with what it may; `integration_key` is the only one it may report for."""

    id: int
    name: str
    scopes: frozenset[Scope]
    integration_key: str | None = None

    @property
    def actor(self) -> str:
        """The name that stands in the audit log."""
        return f"API key {self.name}"

    def may(self, scope: Scope) -> bool:
        """Whether one of the key's scopes includes `scope`."""
        return scope in self.scopes


@dataclass(frozen=True)
class KeyRow:
    """A key as it is listed; the key itself is not known any more."""

    id: int
    name: str
    scopes: tuple[str, ...]
    integration_key: str | None
    created_at: datetime
    revoked_at: datetime | None


class Keyring:
    """The keys as the database has them, each remembered for at most one second.

    So a revoked key is refused by every process within one second of the commit, and a new one
    works at once (what is unknown is not remembered).
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[float, Caller]] = {}

    def caller(self, key: str) -> Caller | None:
        """Return who holds `key`, or None; raises StorageUnavailable."""
        hashed = hash_key(key)
        known = self._known.get(hashed)
        now = monotonic()
        if known and now < known[0]:
            return known[1]
        caller = self._read(hashed)
        if caller is None:
            self._known.pop(hashed, None)
        else:
            self._remember(hashed, now + CACHE_SECONDS, caller)
        return caller

    def _remember(self, hashed: str, until: float, caller: Caller) -> None:
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[hashed] = (until, caller)

    def _read(self, hashed: str) -> Caller | None:
        columns = (ApiKey.id, ApiKey.name, ApiKey.scopes, ApiKey.integration_key)
        wanted = select(*columns).where(ApiKey.hash == hashed, ApiKey.revoked_at.is_(None))
        with self._store.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            return None
        return Caller(row.id, row.name, _included(row.scopes), row.integration_key)


def _included(scopes: Sequence[str]) -> frozenset[Scope]:
    return frozenset().union(*(_INCLUDES[Scope(name)] for name in scopes))


def create(
    site: Installation,
    name: str,
    scopes: Sequence[str],
    integration_key: str | None = None,
    *,
    actor: str,
) -> Secret:
    """Make a key and return it, for the only time; raises Invalid, and Conflict for its name.

    Only a key whose one scope is `report` may be limited to one integration.
    """
    _check(name, scopes, integration_key)
    made = Secret(f"tck_{new_token()}")
    with site.store.session() as session:
        same = select(ApiKey.id).where(ApiKey.name == name, ApiKey.revoked_at.is_(None))
        if session.scalar(same):
            raise Conflict(f"There is an API key named {name} already.")
        wanted = sorted(set(scopes))
        session.add(
            ApiKey(
                name=name,
                hash=hash_key(made.reveal()),
                scopes=wanted,
                integration_key=integration_key,
                created_at=utc_now(),
            )
        )
        after = {"scopes": wanted, "integration": integration_key}
        audit.record(session.connection(), actor, "create", KIND, name, None, after)
    return made


def _check(name: str, scopes: Sequence[str], integration_key: str | None) -> None:
    faults = [*_text_faults("/name", name, MAX_NAME)]
    if not scopes or not set(scopes) <= set(Scope):
        faults.append(Fault("/scopes", f"must be some of {', '.join(Scope)}"))
    if integration_key is not None:
        faults += _text_faults("/integration", integration_key, MAX_KEY)
        if set(scopes) != {Scope.REPORT}:
            faults.append(Fault("/integration", "only a key of scope report alone may be limited"))
    if faults:
        raise Invalid(faults)


def _text_faults(pointer: str, value: str, longest: int) -> list[Fault]:
    problem = unstorable(value) or line_break(value)
    if not value.strip() or len(value) > longest:
        problem = f"must have 1 to {longest} characters"
    return [Fault(pointer, problem)] if problem else []


def listing(site: Installation) -> list[KeyRow]:
    """Return every key, revoked ones included, newest first."""
    table = ApiKey.__table__
    wanted = select(
        ApiKey.id,
        ApiKey.name,
        ApiKey.scopes,
        ApiKey.integration_key,
        ApiKey.created_at,
        ApiKey.revoked_at,
    ).order_by(table.c.id.desc())
    with site.store.reading() as connection:
        return [
            KeyRow(row.id, row.name, tuple(row.scopes), *row[3:])
            for row in connection.execute(wanted)
        ]


def revoke(site: Installation, name: str, *, actor: str) -> None:
    """Revoke the key named `name`; every process refuses it within a second. Raises NotFound."""
    with site.store.session() as session:
        wanted = select(ApiKey).where(ApiKey.name == name, ApiKey.revoked_at.is_(None))
        key = session.scalars(wanted).first()
        if key is None:
            raise NotFound(f"There is no API key named {name}, or it is revoked already.")
        key.revoked_at = utc_now()
        audit.record(session.connection(), actor, "revoke", KIND, name, None, None)
