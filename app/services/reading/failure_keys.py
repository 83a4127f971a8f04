"""Where the rows of a filter stand in the list of failures, however many or few they are.

A text or a state of integrations cannot lead through the list. So its newest part is walked, which
finds what is frequent and what is new; what is rare is found by its own index. Only a text of one
or two letters, or one that is frequent and not in that part, is looked for in a part alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, and_, select, true

from app.clock import to_micros
from app.models import Failure, Integration, IntegrationDirection
from app.services import search
from app.services.paging import Part, cut, is_newer, write_cursor
from app.services.reading.failure_filter import FailureQuery, conditions, extra, of_status
from app.services.reading.selecting import newest_first, plain
from app.services.sql import among, these

# A part of the list that is walked at first, and one for what only a walk finds.
SHORT_WALK, LONG_WALK = 2_000, 12_000
ORDER: tuple[Any, ...] = (Failure.last_logged_at, Failure.id)
Key = tuple[int, int]


def key(row: Any) -> Key:
    """Return the sort key of a row."""
    return to_micros(row.last_logged_at), row.id


def most_found(connection: Connection) -> int:
    """Return how many rows of an index are read; PostgreSQL looks at each of them once more."""
    return 20_000 if connection.dialect.name == "sqlite" else 5_000


def part(connection: Connection, wanted: FailureQuery) -> Part[Key]:
    """Return the keys of a page.

    One that has fewer rows than asked for may have a next one all the same: as far as that was
    looked, where no index could tell.
    """
    found, looked = _keys(connection, wanted)
    page = cut(found, wanted, lambda key: key)
    if looked is None or len(found) > wanted.limit:
        return page
    if is_newer(wanted):
        return replace(page, newer=write_cursor(*looked, newer=True))
    return replace(page, next=write_cursor(*looked))


def every(connection: Connection, wanted: FailureQuery) -> Part[Key]:
    """Return the keys of a page, however long it takes to find all of them."""
    asked = [*conditions(connection, wanted), *extra(wanted)]
    query: Select[Any] = select(*ORDER).where(*asked)
    return cut(_read(connection, newest_first(query, wanted, ORDER)), wanted, lambda key: key)


def first(connection: Connection, wanted: FailureQuery, most: int) -> list[Key]:
    """Return the newest keys, at most so many and one more."""
    return _keys(connection, wanted.model_copy(update={"limit": most, "cursor": None}))[0]


def _keys(connection: Connection, wanted: FailureQuery) -> tuple[list[Key], Key | None]:
    """Return the keys of a page and one more, in the order in which they are read.

    Then: how far was looked; None: to the end.
    """
    if not walks(wanted):
        query: Select[Any] = select(*ORDER).where(*conditions(connection, wanted))
        return _read(connection, newest_first(query, wanted, ORDER)), None
    short = SHORT_WALK if texts_of(wanted) else max(SHORT_WALK, 3 * wanted.limit)
    walked, looked = _walk(connection, wanted, short)
    if looked is None or len(walked) > wanted.limit:
        return walked, None
    ids = _candidates(connection, wanted)
    if ids is None:
        # PostgreSQL compares texts five times as slowly.
        slow = connection.dialect.name != "sqlite"
        return _walk(connection, wanted, max(1, LONG_WALK // 5) if slow else LONG_WALK)
    both = {*walked, *_known(connection, wanted, ids)}
    return sorted(both, reverse=not is_newer(wanted))[: wanted.limit + 1], None


def _read(connection: Connection, query: Select[Any]) -> list[Key]:
    return [key(row) for row in connection.execute(query)]


def walks(wanted: FailureQuery) -> bool:
    """Return whether something is asked that cannot lead through the list."""
    flags = (wanted.integration_status, wanted.last_cycle, wanted.has_error_code)
    return bool(texts_of(wanted)) or any(one is not None for one in flags)


def texts_of(wanted: FailureQuery) -> list[str]:
    """Return the texts that are asked, each of which is part of what it finds."""
    return [one for one in (wanted.q, wanted.message, wanted.whole_message) if one]


def _walk(connection: Connection, wanted: FailureQuery, most: int) -> tuple[list[Key], Key | None]:
    """Look through `most` rows of the list; also returns the last of them, None at its end."""
    rows: Select[Any] = select(*ORDER).where(*conditions(connection, wanted))
    rows = newest_first(rows, wanted, ORDER)
    ids = rows.with_only_columns(Failure.id).limit(most)
    query: Select[Any] = select(*ORDER).where(these(connection, Failure.id, ids), *extra(wanted))
    # One more than a page: where it is full, nobody asks how far was looked.
    walked = _read(connection, _sorted(query, wanted))
    if len(walked) > wanted.limit:
        return walked, None
    last = connection.execute(rows.offset(most - 1).limit(1)).first()
    return walked, None if last is None else key(last)


def _sorted(query: Select[Any], wanted: FailureQuery) -> Select[Any]:
    """Order as the list is, by sorting: no index may lead."""
    return newest_first(query, wanted, tuple(plain(column) for column in ORDER))


def _known(connection: Connection, wanted: FailureQuery, ids: list[int]) -> list[Key]:
    query: Select[Any] = select(*ORDER).where(
        among(connection, Failure.id, ids),
        *conditions(connection, wanted, led=False),
        *extra(wanted),
    )
    return _read(connection, _sorted(query, wanted))


def _candidates(connection: Connection, wanted: FailureQuery) -> list[int] | None:
    """Return ids among which all rows are, as far as an index tells; None: it does not."""
    texts = texts_of(wanted)
    if typed := [one for one in texts if search.indexed(one)]:
        return search.found(connection, max(typed, key=len), most_found(connection))
    if texts:
        return None
    if wanted.last_cycle:
        return of_last_cycles(connection, wanted)
    if wanted.integration_status is None:
        return None
    return _of_integrations(connection, wanted)


def _of_integrations(connection: Connection, wanted: FailureQuery) -> list[int]:
    """Return the first rows of each integration of the status."""
    assert wanted.integration_status is not None  # noqa: S101 - asked by the caller
    mine = wanted.model_copy(update={"entity_id": None, "error_code": None})
    newest: Select[Any] = select(Failure.id).where(
        Failure.integration_id == Integration.id, *conditions(connection, mine, led=False)
    )
    rows = newest_first(newest, wanted, ORDER).correlate(Integration)
    status = wanted.integration_status
    if connection.dialect.name != "sqlite":
        beside = rows.lateral()
        query = select(beside.c.id).select_from(Integration).join(beside, true())
        return list(connection.scalars(query.where(of_status(status, Integration.id))))
    # They are few, or the walk had found them: all rows of theirs are sorted.
    whose = Failure.integration_id.in_(
        select(Integration.id).where(of_status(status, Integration.id))
    )
    mine_only = conditions(connection, mine, led=False)
    query = _sorted(select(Failure.id).where(whose, *mine_only), wanted)
    return list(connection.scalars(query))


def of_last_cycles(connection: Connection, wanted: FailureQuery) -> list[int] | None:
    """Return the rows since the last run of each direction began; None: they are too many."""
    mine = Failure.last_logged_at >= IntegrationDirection.cycle_since
    whose = and_(Failure.integration_id == IntegrationDirection.integration_id, mine)
    query: Select[Any] = select(Failure.id).select_from(IntegrationDirection).join(Failure, whose)
    rest = wanted.model_copy(update={"entity_id": None, "error_code": None})
    most = most_found(connection)
    query = query.where(*conditions(connection, rest, led=False)).limit(most)
    ids = list(connection.scalars(query))
    return ids if len(ids) < most else None
