"""INSERTs of many rows by the driver itself: what SQLAlchemy does for each row costs as much again.

The rows are tuples in the order of the columns. Where columns are the same in all of them, they are
brought into the driver's form once (`given`) and appended to each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table

Row = tuple[Any, ...]


class Insert:
    """The INSERT of `columns` into a table; `missing`: a row whose key is there is left out."""

    def __init__(self, table: Any, columns: str, *, missing: bool = False) -> None:
        self._table: Table = table.__table__
        self._columns = columns.split()
        self._end = " ON CONFLICT DO NOTHING" if missing else ""

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Insert `rows`, and return how many."""
        if not rows:
            return 0
        options = {"preserve_rowcount": True}
        done = connection.exec_driver_sql(
            self._text(connection), list(rows), execution_options=options
        )
        return int(done.rowcount)

    def _text(self, connection: Connection) -> str:
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        names = ", ".join(f'"{name}"' for name in self._columns)
        marks = ", ".join([mark] * len(self._columns))
        # Only names of our own tables stand in it.
        return f'INSERT INTO "{self._table.name}" ({names}) VALUES ({marks}){self._end}'  # noqa: S608

    def given(self, connection: Connection, values: Mapping[str, Any]) -> Row:
        """Return the values of the last columns, by name, as the driver takes them."""
        first = len(self._columns) - len(values)
        return tuple(self._bound(connection, name, values[name]) for name in self._columns[first:])

    def _bound(self, connection: Connection, name: str, value: Any) -> Any:
        kind = self._table.c[name].type.dialect_impl(connection.dialect)
        process = kind.bind_processor(connection.dialect)
        return value if process is None else process(value)
