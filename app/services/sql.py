"""Small statements that several use cases share, for both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    Subquery,
    Table,
    TableValuedAlias,
    any_,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from app.errors import StorageUnavailable
from app.storage import Contended

R = TypeVar("R")
TRIES = 5
CHUNK = 500


def insert(connection: Connection, table: Table) -> Any:
    """Return the INSERT of this database, which knows ON CONFLICT."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


# Building a statement costs more than running it, so the hot paths build each of theirs once.
@cache
def _insert_missing(dialect: str, table: Table) -> Any:
    made: Any = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return made.on_conflict_do_nothing().execution_options(preserve_rowcount=True)


@cache
def _insert_returning(table: Table) -> Any:
    return table.insert().returning(table.c.id, sort_by_parameter_order=True)


@cache
def _update_by_id(table: Table, columns: tuple[str, ...]) -> Any:
    return (
        table.update()
        .where(table.c.id == bindparam("id_"))
        .values({name: bindparam(name + "_") for name in columns})
    )


@cache
def _upsert(dialect: str, table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> Any:
    made: Any = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    changed = {name: made.excluded[name] for name in columns if name not in keys}
    return made.on_conflict_do_update(index_elements=keys, set_=changed)


def upsert(
    connection: Connection, table: Table, keys: tuple[str, ...], rows: Sequence[dict[str, Any]]
) -> None:
    """Insert `rows`, all of the same columns; those whose `keys` are there already are replaced."""
    if rows:
        connection.execute(_upsert(connection.dialect.name, table, keys, tuple(rows[0])), rows)


def insert_missing(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert `rows` and return how many; those whose key is there already are left as they are."""
    if not rows:
        return 0
    done = connection.execute(_insert_missing(connection.dialect.name, table), list(rows))
    return int(done.rowcount)


def insert_returning(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]]
) -> list[int]:
    """Insert `rows` and return their ids, in order."""
    if not rows:
        return []
    return list(connection.scalars(_insert_returning(table), list(rows)))


def update_by_id(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Update `rows`, each a dict with `id` and the same columns."""
    if not rows:
        return
    statement = _update_by_id(table, tuple(name for name in rows[0] if name != "id"))
    renamed = [{name + "_": value for name, value in row.items()} for row in rows]
    connection.execute(statement, renamed)


def where_pairs(
    connection: Connection, columns: Sequence[Any], left: Any, right: Any
) -> Select[Any]:
    """Return the SELECT of `columns` where (left, right) is among the `pairs` it is executed with.

    A join, as SQLite scans the whole table for `(a, b) IN (…)`. To be executed with `pair_values`.
    """
    return _where_pairs(connection.dialect.name, tuple(columns), left, right)


@cache
def _where_pairs(dialect: str, columns: tuple[Any, ...], left: Any, right: Any) -> Select[Any]:
    pairs, first, second = _pairs(dialect)
    return select(*columns).select_from(pairs).join(left.table, (left == first) & (right == second))


def _pairs(dialect: str) -> tuple[FromClause, ColumnElement[Any], ColumnElement[Any]]:
    if dialect == "sqlite":
        rows = func.json_each(bindparam("pairs", type_=String)).table_valued("value")
        value = rows.c.value
        return rows, func.json_extract(value, "$[0]"), func.json_extract(value, "$[1]")
    firsts = bindparam("firsts", type_=postgresql.ARRAY(BigInteger))
    seconds = bindparam("seconds", type_=postgresql.ARRAY(String))
    table = func.unnest(firsts, seconds).table_valued("first", "second").render_derived()
    return table, table.c.first, table.c.second


def pair_values(connection: Connection, pairs: Iterable[tuple[int, str]]) -> dict[str, Any]:
    """Return what the statement of `where_pairs` is executed with."""
    wanted = sorted(pairs)
    if connection.dialect.name == "sqlite":
        return {"pairs": json.dumps(wanted)}
    return {"firsts": [one for one, _ in wanted], "seconds": [one for _, one in wanted]}


Values = Sequence[int] | Sequence[str]


def these(connection: Connection, column: Any, rows: Select[Any]) -> ColumnElement[bool]:
    """Return the condition that `column` is one of the ids of `rows`, a few thousand.

    They are looked up one by one: for `IN`, PostgreSQL may read the whole table instead.
    """
    if connection.dialect.name == "sqlite":
        return cast("ColumnElement[bool]", column.in_(rows))
    return cast("ColumnElement[bool]", column == any_(func.array(rows.scalar_subquery())))


def among(connection: Connection, column: Any, values: Values) -> ColumnElement[bool]:
    """Return the condition that `column` is one of `values`, which are one parameter.

    In an `IN (…)` each of them costs 15 µs, and that under SQLite's write lock.
    """
    if connection.dialect.name == "sqlite":
        condition: ColumnElement[bool] = column.in_(select(_json(values).c.value))
        return condition
    # Not IN (SELECT …), for which PostgreSQL would rather read the whole table.
    return cast(ColumnElement[bool], column == func.any(_array(values)))


def listed(connection: Connection, values: Values) -> Subquery:
    """Return `values` as a table of `place`, from 0 on, and `value`, in one parameter."""
    if connection.dialect.name == "sqlite":
        rows = _json(values)
        return select(rows.c.key.label("place"), rows.c.value).subquery()
    found = func.unnest(_array(values)).table_valued("value", with_ordinality="nth")
    found = found.render_derived()
    return select((found.c.nth - 1).label("place"), found.c.value).subquery()


def _json(values: Values) -> TableValuedAlias:
    return func.json_each(literal(json.dumps(list(values)), String)).table_valued("key", "value")


def _array(values: Values) -> ColumnElement[Any]:
    kind = String() if values and isinstance(values[0], str) else BigInteger()
    return literal(list(values), postgresql.ARRAY(kind))


def one_id(connection: Connection, statement: Any) -> int | None:
    """Run `statement`, which returns one id or none."""
    found = connection.scalar(statement)
    return None if found is None else int(found)


def patiently(work: Callable[[], R]) -> R:
    """Run one transaction, again when it lost against another; raises StorageUnavailable."""
    for _ in range(TRIES):
        try:
            return work()
        except Contended:
            continue
    raise StorageUnavailable("The database is contended; send it again.", retry_after=1)


def chunks(items: Sequence[R], size: int = CHUNK) -> list[Sequence[R]]:
    """Cut `items` into pieces that one statement can take."""
    return [items[start : start + size] for start in range(0, len(items), size)]
