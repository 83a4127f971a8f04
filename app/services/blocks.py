"""Ids taken before their rows are written, so that rows of several tables can name each other."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Table

_TAKEN = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?"


def take(connection: Connection, table: Table, number: int) -> Sequence[int]:
    """Return `number` ids of `table` that nobody else gets, growing; in the caller's transaction.

    On SQLite it must hold the write lock and insert with these ids, which AUTOINCREMENT then
    counts on from. On PostgreSQL they are those of the sequence, and may have gaps.
    """
    if number < 1:
        return ()
    if connection.dialect.name == "sqlite":
        first = _last(connection, table.name) + 1
        return range(first, first + number)
    rows = connection.exec_driver_sql(
        "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
        (table.name, number),
    )
    return sorted(rows.scalars())


def _last(connection: Connection, name: str) -> int:
    """Return the last id that was given; a table that had no row yet has given none."""
    return int(connection.exec_driver_sql(_TAKEN, (name,)).scalar_one())
