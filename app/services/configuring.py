"""How the configuration changes: every named thing is made, replaced, patched and deleted one way.

The API and the forms call these with the collection (systems, integrations, registrations), so that
both validate, refuse and audit alike. A body comes as the shape of its collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.clock import utc_now
from app.errors import Conflict, Fault, Invalid
from app.services import audit
from app.services.installation import Installation
from app.services.named import Change, Collection, Document, Row, Saved, moment, version
from app.services.paging import PageQuery, cut, read_cursor
from app.services.sql import patiently
from app.shapes import Shape, parse
from app.shapes import text as text_of
from app.storage import Contended

T = TypeVar("T")
R = TypeVar("R", bound=Row)
B = TypeVar("B", bound=Shape)

# Raises Stale where the version is not the expected one; None stands for a thing that is not there.
Condition = Callable[[str | None], None]

# One change of the configuration at a time over all hosts (an arbitrary constant).
ADVISORY_LOCK = 726_355
_TICK = timedelta(microseconds=1)


def create(coll: Collection[R, B], site: Installation, actor: str, body: B) -> Saved:
    """Make a thing that is not there; raises Invalid, Conflict. One transaction, not idempotent."""
    name = _name_in(coll, body)
    if name is None:
        raise Invalid([Fault(f"/{coll.key}", "is required")])
    coll.check_new(name)

    def work(change: Change) -> Saved:
        if coll.find(change.session, name, lock=True) is not None:
            raise Conflict(f"There is a {coll.kind} {name!r} already.")
        return _save(coll, change, name, None, body)

    return run(site, actor, work)


def replace(  # noqa: PLR0913, PLR0917 - who does what to which thing, on which condition
    coll: Collection[R, B],
    site: Installation,
    actor: str,
    name: str,
    body: B,
    condition: Condition | None = None,
) -> Saved:
    """Make the thing of `name` or replace it; raises Invalid, NotFound, Stale. Idempotent.

    What `body` leaves out gets its default, but for secrets: no answer shows them, so they stay.
    """
    if _name_in(coll, body) not in (None, name):
        hint = "; PATCH renames" if coll.renames else ""
        message = f"must be {name!r} as in the path, or left out{hint}"
        raise Invalid([Fault(f"/{coll.key}", message)])

    def work(change: Change) -> Saved:
        row = coll.find(change.session, name, lock=True)
        _require(condition, row)
        if row is None:
            _check_name(coll, change.session, name)
        return _save(coll, change, name, row, body)

    return run(site, actor, work)


def patch(  # noqa: PLR0913, PLR0917 - who does what to which thing, on which condition
    coll: Collection[R, B],
    site: Installation,
    actor: str,
    name: str,
    changes: Mapping[str, Any],
    condition: Condition | None = None,
) -> Saved:
    """Merge `changes`, decoded JSON, into the thing (RFC 7396).

    Raises Invalid, NotFound, Conflict (the new name is taken), Stale. One transaction.
    """

    def work(change: Change) -> Saved:
        row = coll.find(change.session, name, lock=True)
        _require(condition, row)
        if row is None:
            raise coll.missing(name)
        body = parse(coll.shape, coll.merge(coll.body(change.session, row), changes))
        new = _name_in(coll, body) or name
        _check_rename(coll, change.session, name, new)
        return _save(coll, change, new, row, body)

    return run(site, actor, work)


def delete(
    coll: Collection[R, B],
    site: Installation,
    actor: str,
    name: str,
    condition: Condition | None = None,
) -> None:
    """Take the thing of `name` away; raises NotFound, InUse, Stale. One transaction."""

    def work(change: Change) -> None:
        row = coll.find(change.session, name, lock=True)
        _require(condition, row)
        if row is None:
            raise coll.missing(name)
        before = coll.body(change.session, row)
        coll.remove(change, row)
        _audit(coll, change, 2, name, before, None)

    run(site, actor, work)


def get(coll: Collection[R, B], site: Installation, name: str) -> Saved:
    """Return the thing of `name`; raises NotFound."""
    with site.store.viewing() as session:
        row = coll.find(session, name)
        if row is None:
            raise coll.missing(name)
        return _saved(coll, session, row)


def page(
    coll: Collection[R, B], site: Installation, limit: int, cursor: str | None
) -> tuple[list[Document], str | None]:
    """Return `limit` answers, newest first, and the cursor to go on from; raises Invalid."""
    before = read_cursor(cursor, 1)
    with site.store.viewing() as session:
        found = coll.rows(session, before.keys[0] if before else None, limit + 1)
        part = cut(found, PageQuery.model_construct(limit=limit), lambda row: (row.id,))
        return [_saved(coll, session, row).document for row in part.rows], part.next


def run(site: Installation, actor: str, work: Callable[[Change], T]) -> T:
    """Run one change as one durable transaction, then what it asked to follow the commit.

    Changes of the configuration come one after another, on PostgreSQL too, so that what was
    checked still holds at the commit. Raises StorageUnavailable.
    """
    changes: list[Change] = []

    def transaction() -> T:
        try:
            with site.store.session() as session:
                _take_turn(site, session)
                changes.append(Change(site, session, actor, utc_now()))
                return work(changes[-1])
        except IntegrityError as error:
            # A report has made the same integration meanwhile: the next try finds it.
            raise Contended("The same thing is being made at this moment.") from error

    result = patiently(transaction)
    for follow in changes[-1].afterwards:
        follow()
    return result


def _take_turn(site: Installation, session: Session) -> None:
    if not site.store.sqlite:
        session.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))


def _require(condition: Condition | None, row: Row | None) -> None:
    if condition is not None:
        condition(None if row is None else version(row))


def _check_name(coll: Collection[R, B], session: Session, name: str) -> None:
    """Check a name that comes from a path, as no shape has seen it."""
    coll.address(session, name)
    try:
        text_of(coll.longest, required=True, line=True).check(name)
    except PydanticCustomError as error:
        raise Invalid([Fault(f"/{coll.key}", error.message())]) from error
    coll.check_new(name)


def _name_in(coll: Collection[R, B], body: B) -> str | None:
    name: str | None = getattr(body, coll.key)
    return name


def _check_rename(coll: Collection[R, B], session: Session, name: str, new: str) -> None:
    if new == name:
        return
    if not coll.renames:
        raise Invalid([Fault(f"/{coll.key}", f"is {name!r} for good and cannot be changed")])
    coll.check_new(new)
    if coll.find(session, new) is not None:
        raise Conflict(f"There is a {coll.kind} {new!r} already.")


def _save(coll: Collection[R, B], change: Change, name: str, row: R | None, body: B) -> Saved:
    """Store and audit; a body that changes nothing leaves no trace."""
    session = change.session
    before = None if row is None else coll.body(session, row)
    stored = coll.store(change, name, row, body)
    after = coll.body(session, stored)
    if before != after:
        if row is not None:
            # Never the same time twice: it is the version.
            stored.updated_at = max(change.now, row.updated_at + _TICK)
            session.flush()
        verb = 0 if before is None else 1
        _audit(coll, change, verb, name, before, after)
    return _saved(coll, session, stored, created=before is None).showing(change.shown)


def _audit(  # noqa: PLR0913, PLR0917 - passes on the columns of one row
    coll: Collection[R, B],
    change: Change,
    verb: int,
    name: str,
    before: Document | None,
    after: Document | None,
) -> None:
    connection, action = change.session.connection(), coll.actions[verb]
    audit.record(connection, change.actor, action, coll.kind, name, before, after)


def _saved(coll: Collection[R, B], session: Session, row: R, *, created: bool = False) -> Saved:
    document = {
        "id": str(row.id),
        **coll.body(session, row),
        **coll.extras(session, row),
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
    }
    return Saved(document, version(row), created)
