"""Users: made, changed, removed, each with its audit entry; somebody can always administer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from app.addresses import address
from app.clock import utc_now
from app.domain.cron import zones
from app.domain.people import Role, Theme
from app.errors import Conflict, Fault, Invalid, NotFound
from app.models import User
from app.services import audit, passwords, saved_views, sessions
from app.services.configuring import Condition
from app.services.installation import Installation
from app.services.named import digest
from app.shapes import line_break, unstorable

KIND = "user"
MAX_EMAIL, MAX_NAME = 254, 100
_USERS = User.__table__
_COLUMNS = (
    "id", "email", "name", "role", "zone", "theme", "created_at", "disabled_at", "last_seen_at",
)  # fmt: skip
_ROW = select(*(_USERS.c[name] for name in _COLUMNS))


@dataclass(frozen=True)
class UserRow:
    """A user as listed; `disabled_at` None: may sign in."""

    id: int
    email: str
    name: str
    role: Role
    zone: str
    theme: Theme
    created_at: datetime
    disabled_at: datetime | None
    last_seen_at: datetime | None


def version(user: UserRow) -> str:
    """Return what changes with all that the form of a user shows."""
    return digest(_shown(user))


def anybody(site: Installation) -> bool:
    """Whether there is a user at all."""
    with site.store.reading() as connection:
        return there_is_one(connection)


def there_is_one(connection: Connection) -> bool:
    """The same in a transaction."""
    return connection.scalar(select(_USERS.c.id).limit(1)) is not None


def listing(site: Installation) -> list[UserRow]:
    """Return every user, by e-mail."""
    with site.store.reading() as connection:
        return [UserRow(*row) for row in connection.execute(_ROW.order_by(_USERS.c.email))]


def get(site: Installation, user_id: int) -> UserRow:
    """Return one user; raises NotFound."""
    with site.store.reading() as connection:
        return _one(connection, user_id)


def by_email(site: Installation, email: str) -> UserRow:
    """Return the user with that e-mail; raises NotFound."""
    with site.store.reading() as connection:
        row = connection.execute(_ROW.where(_USERS.c.email == email.strip().lower())).one_or_none()
    if row is None:
        raise NotFound(f"There is no user with the e-mail {email.strip()}.")
    return UserRow(*row)


def create(  # noqa: PLR0913 - the fields of a user
    site: Installation,
    *,
    email: str,
    password: str,
    actor: str,
    name: str = "",
    role: Role | str = Role.VIEWER,
) -> int:
    """Make a user with a first password; return the id. Raises Invalid, Conflict."""
    fields = checked(email, password, name, role)
    with site.store.writing() as connection:
        return insert(connection, fields, actor)


def checked(email: str, password: str, name: str, role: Role | str) -> dict[str, Any]:
    """Return the columns of a new user, the password hashed; raises Invalid."""
    faults, bare = [], ""
    try:
        bare = address(email).lower()
        if len(bare) > MAX_EMAIL:
            faults.append(Fault("/email", f"must have at most {MAX_EMAIL} characters"))
    except ValueError as error:
        faults.append(Fault("/email", str(error)))
    faults += _name_faults(name) + _role_faults(role)
    if problem := passwords.problem(password, bare):
        faults.append(Fault("/password", problem))
    if faults:
        raise Invalid(faults)
    stored = passwords.hashed(password)
    return {"email": bare, "name": name.strip(), "role": Role(role), "password_hash": stored}


def insert(connection: Connection, fields: dict[str, Any], actor: str) -> int:
    """Write a new user in the caller's transaction; raises Conflict for its e-mail."""
    if connection.scalar(select(_USERS.c.id).where(_USERS.c.email == fields["email"])):
        raise Conflict(f"There is a user with the e-mail {fields['email']} already.")
    now = utc_now()
    made = _USERS.insert().values(
        **fields, zone="UTC", theme=Theme.AUTO, created_at=now, updated_at=now
    )
    key = connection.execute(made.returning(_USERS.c.id)).scalar_one()
    audit.record(
        connection, actor, "create", KIND, fields["email"], None, _shown(_one(connection, key))
    )
    return int(key)


def update(  # noqa: PLR0913 - the fields of a user
    site: Installation,
    user_id: int,
    *,
    name: str,
    role: Role | str,
    disabled: bool,
    actor: str,
    condition: Condition | None = None,
) -> None:
    """Change a user; disabling ends the sessions. Raises Invalid, NotFound, Conflict, Stale."""
    if faults := _name_faults(name) + _role_faults(role):
        raise Invalid(faults)
    now = utc_now()
    with site.store.writing() as connection:
        admins = _lock_admins(connection)
        before = _one(connection, user_id, lock=True)
        if condition is not None:
            condition(version(before))
        if disabled or Role(role) is not Role.ADMIN:
            _keep_one(admins, before, "disabled" if disabled else "given a lower role")
        values = {
            "name": name.strip(),
            "role": Role(role),
            "disabled_at": (before.disabled_at or now) if disabled else None,
            "updated_at": now,
        }
        connection.execute(_USERS.update().where(_USERS.c.id == user_id).values(**values))
        if disabled:
            sessions.end_all(connection, user_id)
        _record(connection, actor, before)


def set_password(
    site: Installation, user_id: int, password: str, *, actor: str, keep: str | None = None
) -> None:
    """Give a user a new password and end every session but `keep`; raises Invalid, NotFound."""
    user = get(site, user_id)
    if problem := passwords.problem(password, user.email):
        raise Invalid([Fault("/password", problem)])
    stored = passwords.hashed(password)
    with site.store.writing() as connection:
        values = {"password_hash": stored, "updated_at": utc_now()}
        connection.execute(_USERS.update().where(_USERS.c.id == user_id).values(**values))
        sessions.end_all(connection, user_id, but=keep)
        audit.record(connection, actor, "set password", KIND, user.email, None, None)


def remove(site: Installation, user_id: int, *, actor: str) -> None:
    """Remove a user with what is theirs; raises NotFound, and Conflict for the last admin."""
    with site.store.writing() as connection:
        admins = _lock_admins(connection)
        before = _one(connection, user_id)
        _keep_one(admins, before, "removed")
        sessions.end_all(connection, user_id)
        saved_views.remove_all(connection, user_id)
        connection.execute(delete(_USERS).where(_USERS.c.id == user_id))
        audit.record(connection, actor, "delete", KIND, before.email, _shown(before), None)


def save_account(  # noqa: PLR0913 - the fields of an account
    site: Installation, user_id: int, *, name: str, zone: str, theme: str, actor: str
) -> None:
    """Save what users choose for themselves; raises Invalid, NotFound."""
    faults = _name_faults(name)
    if zone not in zones():
        faults.append(Fault("/zone", "must be a time zone as in Europe/Berlin"))
    if theme not in set(Theme):
        faults.append(Fault("/theme", f"must be one of {', '.join(Theme)}"))
    if faults:
        raise Invalid(faults)
    with site.store.writing() as connection:
        before = _one(connection, user_id, lock=True)
        values = {"name": name.strip(), "zone": zone, "theme": Theme(theme)}
        connection.execute(_USERS.update().where(_USERS.c.id == user_id).values(**values))
        _record(connection, actor, before)


def _record(connection: Connection, actor: str, before: UserRow) -> None:
    """Record what has changed; looks that a user chose are no configuration."""
    old, new = _shown(before), _shown(_one(connection, before.id))
    if old != new:
        audit.record(connection, actor, "update", KIND, before.email, old, new)


def _one(connection: Connection, user_id: int, *, lock: bool = False) -> UserRow:
    wanted = _ROW.where(_USERS.c.id == user_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    if row is None:
        raise NotFound("There is no such user, or it was removed meanwhile.")
    return UserRow(*row)


def _lock_admins(connection: Connection) -> set[int]:
    """Return the ids of the enabled admins, who stay so until the transaction ends."""
    enabled = (_USERS.c.role == Role.ADMIN, _USERS.c.disabled_at.is_(None))
    wanted = select(_USERS.c.id).where(*enabled).order_by(_USERS.c.id).with_for_update()
    return set(connection.scalars(wanted))


def _keep_one(admins: set[int], user: UserRow, done: str) -> None:
    if admins == {user.id}:
        raise Conflict(
            f"{user.email} is the only admin and cannot be {done}; make another user admin first."
        )


def _shown(user: UserRow) -> dict[str, Any]:
    return {"name": user.name, "role": str(user.role), "disabled": user.disabled_at is not None}


def _name_faults(name: str) -> list[Fault]:
    long = f"must have at most {MAX_NAME} characters" if len(name) > MAX_NAME else None
    problem = long or unstorable(name) or line_break(name)
    return [Fault("/name", problem)] if problem else []


def _role_faults(role: str) -> list[Fault]:
    return [] if role in set(Role) else [Fault("/role", f"must be one of {', '.join(Role)}")]
