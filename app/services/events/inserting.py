"""INSERTs of many rows by the driver itself: what SQLAlchemy does for each row costs as much again.

The rows are tuples in the order of the columns. Where columns are the same in all of them, they are
brought into the driver's form once (`given`) and appended to each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table

from app.services.hot import cursor_of

Row = tuple[Any, ...]
Process = Callable[[Any], Any] | None


class Insert:
    """The INSERT of `columns` into a table; `missing`: a row whose key is there is left out."""

    def __init__(self, table: Any, columns: str, *, missing: bool = False) -> None:
        self._table: Table = table.__table__
        self._columns = columns.split()
        self._end = " ON CONFLICT DO NOTHING" if missing else ""
        self._made: dict[str, _Made] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Insert `rows`, and return how many."""
        if not rows:
            return 0
        with cursor_of(connection) as cursor:
            cursor.executemany(self._of(connection).text, rows)
            return int(cursor.rowcount)

    def given(self, connection: Connection, values: Mapping[str, Any]) -> Row:
        """Return the values of the last columns, by name, as the driver takes them."""
        processes = self._of(connection).processes[-len(values) :]
        return tuple(
            values[name] if process is None else process(values[name])
            for name, process in processes
        )

    def _of(self, connection: Connection) -> _Made:
        name = connection.dialect.name
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = _Made(
                self._text("?" if name == "sqlite" else "%s"),
                [(one, self._process(connection, one)) for one in self._columns],
            )
        return made

    def _text(self, mark: str) -> str:
        names = ", ".join(f'"{name}"' for name in self._columns)
        marks = ", ".join([mark] * len(self._columns))
        # Only names of our own tables stand in it.
        return f'INSERT INTO "{self._table.name}" ({names}) VALUES ({marks}){self._end}'  # noqa: S608

    def _process(self, connection: Connection, name: str) -> Process:
        kind = self._table.c[name].type.dialect_impl(connection.dialect)
        return kind.bind_processor(connection.dialect)


@dataclass(frozen=True)
class _Made:
    """The statement for one database, and what brings each column into its form."""

    text: str
    processes: Sequence[tuple[str, Process]]
