"""Parts of queries that every list shares: names as ids, and reading past a cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    Select,
    select,
    tuple_,
    type_coerce,
)

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
    """
    after = read_cursor(wanted.cursor, len(columns))
    if after is not None:
        numbers = tuple_(*(type_coerce(column, BigInteger) for column in columns))
        query = query.where(numbers < tuple_(*after))
    return query.order_by(*(column.desc() for column in columns)).limit(wanted.limit + 1)
