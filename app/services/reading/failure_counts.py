"""How many failures a filter has, counted by the database alone: no row of them is read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, union

from app.models import Failure, Integration, IntegrationDirection
from app.services import search
from app.services.reading.failure_filter import FailureQuery, conditions, extra, of_status
from app.services.reading.failure_keys import MOST_FOUND, ORDER, texts_of
from app.services.sql import among

# The newest part of the list: what may not be searched yet; where no index finds a text, which is
# slow to compare; where nothing is compared but a flag.
NEW, PART, LARGE = 2_000, 5_000, 12_000


def count(connection: Connection, wanted: FailureQuery, cap: int) -> int:
    """Return how many rows there are, at most `cap` + 1.

    Of a text that is too short for the index, or very frequent, and of whether there is a code:
    those of the newest part.
    """
    texts = texts_of(wanted)
    known = [one for one in texts if search.indexed(one)]
    if known:
        return _of_text(connection, wanted, max(known, key=len), cap)
    if texts:
        return _counted(connection, _newest(connection, wanted, PART), cap)
    if wanted.last_cycle:
        return _counted(connection, _of_last_cycles(connection, wanted), cap)
    if wanted.has_error_code is not None or wanted.last_cycle is not None:
        return _counted(connection, _newest(connection, wanted, LARGE), cap)
    if wanted.integration_status is not None:
        return _of_integrations(connection, wanted, cap)
    return _counted(connection, select(Failure.id).where(*conditions(connection, wanted)), cap)


def _of_integrations(connection: Connection, wanted: FailureQuery, cap: int) -> int:
    # Nothing is ordered, so the rows of each integration are counted along its index.
    assert wanted.integration_status is not None  # noqa: S101 - asked by the caller
    those = select(Integration.id).where(of_status(wanted.integration_status, Integration.id))
    mine = conditions(connection, wanted, led=False)
    rows = select(Failure.id).where(Failure.integration_id.in_(those), *mine)
    return _counted(connection, rows, cap)


def _of_text(connection: Connection, wanted: FailureQuery, text: str, cap: int) -> int:
    ids = search.found(connection, text, MOST_FOUND)
    if ids is None:
        return _counted(connection, _newest(connection, wanted, MOST_FOUND), cap)
    found = select(Failure.id).where(
        among(connection, Failure.id, ids),
        *conditions(connection, wanted, led=False),
        *extra(wanted),
    )
    return _counted(connection, union(_newest(connection, wanted, NEW), found), cap)


def _newest(connection: Connection, wanted: FailureQuery, most: int) -> Select[Any]:
    """Return the SELECT of those among the newest rows of the filters that lead to them."""
    others: list[ColumnElement[bool]] = conditions(connection, wanted)
    newest = select(Failure.id).where(*others).order_by(*(one.desc() for one in ORDER)).limit(most)
    return select(Failure.id).where(Failure.id.in_(newest), *extra(wanted))


def _of_last_cycles(connection: Connection, wanted: FailureQuery) -> Select[Any]:
    mine = Failure.last_logged_at >= IntegrationDirection.cycle_since
    whose = and_(Failure.integration_id == IntegrationDirection.integration_id, mine)
    rows: Select[Any] = select(Failure.id).select_from(IntegrationDirection).join(Failure, whose)
    rows = rows.where(*conditions(connection, wanted, led=False))
    return select(Failure.id).where(Failure.id.in_(rows), *extra(wanted))


def _counted(connection: Connection, query: Any, cap: int) -> int:
    some = select(query.subquery().c.id).limit(cap + 1).subquery()
    number: int | None = connection.scalar(select(func.count()).select_from(some))
    return number or 0
