"""Finding old rows along an index, a stretch at a time, without a scan of the table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, true, tuple_

from app.services.housekeeping.steps import Found

STRETCH = 5_000
# Ids are given a moment after the time was taken, and the clocks of two machines may differ.
SLACK = timedelta(hours=1)


def by_id(  # noqa: PLR0913, PLR0917 - one query
    connection: Connection,
    key: Any,
    made: Any,
    old: ColumnElement[bool],
    after: Any,
    times: tuple[datetime, datetime],
) -> Found:
    """Return the `old` rows of the next stretch; `times` are the limit and now.

    Ids grow with the time that a row was `made`, so that the walk ends with the first stretch that
    was made after the limit: not with its first row, as clocks may have been set in between. For
    the same reason a row of the future says nothing.
    """
    limit, now = times
    query = select(key, made, old.label("old")).where(key > (after or 0)).order_by(key)
    rows = connection.execute(query.limit(STRETCH)).all()
    ends = len(rows) < STRETCH or all(limit + SLACK <= row[1] <= now for row in rows)
    return Found([row[0] for row in rows if row.old], None if ends else rows[-1][0])


def stretch(
    connection: Connection, key: Sequence[Any], after: Any
) -> tuple[ColumnElement[bool], Any]:
    """Return the condition of the next rows along a primary key, and the last key of them.

    The last key is None where they are the last ones.
    """
    behind = true() if after is None else tuple_(*key) > after
    query = select(*key).where(behind).order_by(*key).offset(STRETCH - 1).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return behind, None
    return and_(behind, tuple_(*key) <= tuple(row)), tuple(row)
