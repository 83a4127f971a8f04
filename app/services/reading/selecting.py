"""Parts of queries that every list shares: names as ids, and reading past a cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    Select,
    UnaryExpression,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.sql.operators import custom_op

from app.models import Integration, System
from app.services.paging import PageQuery, read_cursor


def integration_id(key: str) -> ScalarSelect[int]:
    """Return the id of an integration as a subquery; unknown keys match nothing."""
    return select(Integration.id).where(Integration.key == key).scalar_subquery()


def system_id(name: str) -> ScalarSelect[int]:
    """Return the id of a system as a subquery; unknown names match nothing."""
    return select(System.id).where(System.name == name).scalar_subquery()


def equalities(pairs: Iterable[tuple[Any, object | None]]) -> list[ColumnElement[bool]]:
    """Return a condition for each column whose wanted value is given."""
    return [column == value for column, value in pairs if value is not None]


def newest_first(query: Select[Any], wanted: PageQuery, columns: Sequence[Any]) -> Select[Any]:
    """Order `query` by `columns` descending, after the cursor, one row more than a page has.

    The columns are compared as the whole numbers that they are in the database, times included.
    The page before a row is read backwards from it: `cut` turns it round.
    """
    return _ordered(query, wanted, columns, descending=True)


def first_first(query: Select[Any], wanted: PageQuery, columns: Sequence[Any]) -> Select[Any]:
    """Order `query` by `columns` ascending; otherwise as `newest_first`."""
    return _ordered(query, wanted, columns, descending=False)


def _ordered(
    query: Select[Any], wanted: PageQuery, columns: Sequence[Any], *, descending: bool
) -> Select[Any]:
    cursor = read_cursor(wanted.cursor, len(columns))
    falls = descending if cursor is None else descending is not cursor.newer
    if cursor is not None:
        numbers = tuple_(*(type_coerce(column, BigInteger) for column in columns))
        keys = tuple_(*cursor.keys)
        query = query.where(numbers < keys if falls else numbers > keys)
    order = (column.desc() if falls else column.asc() for column in columns)
    return query.order_by(*order).limit(wanted.limit + 1)


def plain(column: Any) -> ColumnElement[Any]:
    """Return the column as an expression that no index serves: another one leads."""
    expression: ColumnElement[Any] = UnaryExpression(
        column, operator=custom_op("+"), type_=column.type
    )
    return expression
