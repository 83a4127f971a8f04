"""Ids taken before their rows are written, so that rows of several tables can name each other."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Table

from app.services.hot import cursor_of

# A table that had no row yet has given none.
_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?"
_NEXT = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"


def take(connection: Connection, table: Table, number: int) -> Sequence[int]:
    """Return `number` ids of `table` that nobody else gets, growing; in the caller's transaction.

    On SQLite it must hold the write lock and insert with these ids, which AUTOINCREMENT then
    counts on from. On PostgreSQL they are those of the sequence, and may have gaps.
    """
    if number < 1:
        return ()
    if connection.dialect.name == "sqlite":
        with cursor_of(connection) as cursor:
            last = cursor.execute(_LAST, (table.name,)).fetchone()[0]
        return range(last + 1, last + 1 + number)
    with cursor_of(connection) as cursor:
        rows = cursor.execute(_NEXT, (table.name, number)).fetchall()
    return sorted(row[0] for row in rows)
