"""How many failures a filter has, counted by the database alone: no row of them is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, func, select, union

from app.models import Failure, Integration
from app.services import search
from app.services.paging import Count, capped
from app.services.reading.failure_filter import FailureQuery, conditions, extra, of_status
from app.services.reading.failure_keys import ORDER, most_found, of_last_cycles, texts_of
from app.services.sql import among, these

# The newest part of the list: what may not be searched yet; where no index finds a text, which is
# slow to compare; where nothing is compared but a flag.
NEW, PART, LARGE = 2_000, 5_000, 12_000


def count(connection: Connection, wanted: FailureQuery, cap: int) -> Count:
    """Return how many rows there are, counted to `cap`.

    Of a text that is too short for the index, or very frequent, and of whether there is a code: at
    least those of the newest part.
    """
    texts = texts_of(wanted)
    known = [one for one in texts if search.indexed(one)]
    if known:
        ids = search.found(connection, max(known, key=len), most_found(connection))
        return _of_known(connection, wanted, ids, cap)
    if texts:
        return _of_newest(connection, wanted, PART, cap)
    if wanted.last_cycle:
        return _of_known(connection, wanted, of_last_cycles(connection, wanted), cap)
    if wanted.has_error_code is not None or wanted.last_cycle is not None:
        return _of_newest(connection, wanted, LARGE, cap)
    if wanted.integration_status is not None:
        return _of_integrations(connection, wanted, cap)
    rows = select(Failure.id).where(*conditions(connection, wanted))
    return capped(_counted(connection, rows, cap), cap)


def _of_integrations(connection: Connection, wanted: FailureQuery, cap: int) -> Count:
    # Nothing is ordered, so the rows of each integration are counted along its index.
    assert wanted.integration_status is not None  # noqa: S101 - asked by the caller
    those = select(Integration.id).where(of_status(wanted.integration_status, Integration.id))
    mine = conditions(connection, wanted, led=False)
    rows = select(Failure.id).where(Failure.integration_id.in_(those), *mine)
    return capped(_counted(connection, rows, cap), cap)


def _of_known(
    connection: Connection, wanted: FailureQuery, ids: list[int] | None, cap: int
) -> Count:
    """Count those of `ids`, and of what is too new to be among them; None: they are too many."""
    if ids is None:
        return _of_newest(connection, wanted, most_found(connection), cap)
    found = select(Failure.id).where(
        among(connection, Failure.id, ids),
        *conditions(connection, wanted, led=False),
        *extra(wanted),
    )
    both = union(_newest(connection, wanted, NEW), found)
    return capped(_counted(connection, both, cap), cap)


def _of_newest(connection: Connection, wanted: FailureQuery, most: int, cap: int) -> Count:
    """Count those among the newest rows of the filters that lead to them."""
    found = capped(_counted(connection, _newest(connection, wanted, most), cap), cap)
    beyond = select(Failure.id).where(*conditions(connection, wanted))
    return replace(found, more=found.more or _counted(connection, beyond, most) > most)


def _newest(connection: Connection, wanted: FailureQuery, most: int) -> Select[Any]:
    others = conditions(connection, wanted)
    newest = select(Failure.id).where(*others).order_by(*(one.desc() for one in ORDER)).limit(most)
    return select(Failure.id).where(these(connection, Failure.id, newest), *extra(wanted))


def _counted(connection: Connection, query: Any, most: int) -> int:
    """Return the number of rows, `most` + 1 at the most."""
    some = select(query.subquery().c.id).limit(most + 1).subquery()
    number: int | None = connection.scalar(select(func.count()).select_from(some))
    return number or 0
