"""Small statements that several use cases share, for both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam
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


def insert_missing(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert `rows`; those whose key is there already are left as they are."""
    if rows:
        connection.execute(insert(connection, table).on_conflict_do_nothing(), list(rows))


def insert_returning(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]]
) -> list[int]:
    """Insert `rows` and return their ids, in order."""
    if not rows:
        return []
    statement = table.insert().returning(table.c.id, sort_by_parameter_order=True)
    return list(connection.scalars(statement, list(rows)))


def update_by_id(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]]
) -> None:
    """Update `rows`, each a dict with `id` and the same columns."""
    if not rows:
        return
    columns = [name for name in rows[0] if name != "id"]
    statement = (
        table.update()
        .where(table.c.id == bindparam("id_"))
        .values({name: bindparam(name + "_") for name in columns})
    )
    renamed = [{name + "_": value for name, value in row.items()} for row in rows]
    connection.execute(statement, renamed)


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
