"""Saved views: the filters of a list under a name, for the one user who saved them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_core import PydanticCustomError
from sqlalchemy import Connection, delete, func, select

from app.clock import utc_now
from app.errors import Conflict, Fault, Invalid, NotFound
from app.models import SavedView, User
from app.services.installation import Installation
from app.shapes import text

LONGEST_NAME, LONGEST_QUERY, MOST = 60, 2000, 50
_VIEWS, _USERS = SavedView.__table__, User.__table__
_ROW = select(_VIEWS.c.id, _VIEWS.c.path, _VIEWS.c.name, _VIEWS.c.query)
_NAME = text(LONGEST_NAME, required=True, line=True)


@dataclass(frozen=True)
class SavedViewRow:
    """A saved view: `query` is the query string of the list at `path`."""

    id: int
    path: str
    name: str
    query: str

    @property
    def url(self) -> str:
        """Where it is looked at."""
        return f"{self.path}?{self.query}"


def of(site: Installation, user_id: int, path: str) -> Sequence[SavedViewRow]:
    """Return what a user has saved of the list at `path`, by name."""
    mine = _ROW.where(_VIEWS.c.user_id == user_id, _VIEWS.c.path == path)
    with site.store.reading() as connection:
        rows = connection.execute(mine.order_by(func.lower(_VIEWS.c.name), _VIEWS.c.id))
        return [SavedViewRow(*row) for row in rows]


def one(site: Installation, user_id: int, view_id: int) -> SavedViewRow:
    """Return a view of that user; raises NotFound, also for one of somebody else."""
    mine = _ROW.where(_VIEWS.c.user_id == user_id, _VIEWS.c.id == view_id)
    with site.store.reading() as connection:
        row = connection.execute(mine).one_or_none()
    if row is None:
        raise _missing()
    return SavedViewRow(*row)


def save(site: Installation, user_id: int, *, path: str, name: str, query: str) -> int:
    """Save `query`, the caller's own for its list at `path`; return the id.

    Raises Invalid, Conflict (the name is taken, or there are too many), NotFound (no such user).
    """
    values = {"path": path, "name": _named(name), "query": _asked(query)}
    with site.store.writing() as connection:
        # The row of the user is the lock: neither the number nor the name can be passed by a twin.
        there = select(_USERS.c.id).where(_USERS.c.id == user_id).with_for_update()
        if connection.scalar(there) is None:
            raise NotFound("There is no such user, or it was removed meanwhile.")
        _check_room(connection, user_id, path, values["name"])
        made = _VIEWS.insert().values(user_id=user_id, created_at=utc_now(), **values)
        return int(connection.execute(made.returning(_VIEWS.c.id)).scalar_one())


def remove(site: Installation, user_id: int, view_id: int) -> None:
    """Delete a view of that user; raises NotFound. One transaction."""
    mine = (_VIEWS.c.user_id == user_id, _VIEWS.c.id == view_id)
    with site.store.writing() as connection:
        found = connection.scalar(delete(_VIEWS).where(*mine).returning(_VIEWS.c.id))
    if found is None:
        raise _missing()


def remove_all(connection: Connection, user_id: int) -> None:
    """Delete every view of a user, in the transaction that removes the user."""
    connection.execute(delete(_VIEWS).where(_VIEWS.c.user_id == user_id))


def _named(name: str) -> str:
    try:
        return str(_NAME.check(name)).strip()
    except PydanticCustomError as error:
        raise Invalid([Fault("/name", error.message())]) from error


def _asked(query: str) -> str:
    if not query:
        raise Invalid([Fault("", "No filter is on, so there is nothing to save")])
    if len(query) > LONGEST_QUERY:
        said = f"These filters have more than {LONGEST_QUERY:,} characters and cannot be saved"
        raise Invalid([Fault("", said)])
    return query


def _check_room(connection: Connection, user_id: int, path: str, name: str) -> None:
    mine = _VIEWS.c.user_id == user_id
    number = connection.scalar(select(func.count()).select_from(_VIEWS).where(mine)) or 0
    if number >= MOST:
        raise Conflict(f"You have {MOST} saved views, which is the most: delete one first.")
    twin = select(_VIEWS.c.id).where(mine, _VIEWS.c.path == path, _VIEWS.c.name == name)
    if connection.scalar(twin) is not None:
        raise Conflict(f"You have a view {name!r} of this list already: choose another name.")


def _missing() -> NotFound:
    return NotFound("There is no such saved view, or it was deleted meanwhile.")
