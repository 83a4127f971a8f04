"""Statements of the hot path, run by the database's driver itself.

SQLAlchemy writes them, once for each database; what it does around each execution costs ten times
what SQLite takes for the statement (docs/decisions/0021). Only for statements whose values are
plain parameters; the transaction is that of the connection, and the errors are SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import ClauseElement

Values = Mapping[str, Any]


class Hot:
    """One statement; `values` are its parameters by name, as SQLAlchemy would take them."""

    def __init__(self, statement: ClauseElement, *columns: str) -> None:
        """Keep `statement`; for an INSERT, `columns` are those that it writes."""
        self._statement, self._columns = statement, columns
        self._made: dict[str, _Made] = {}

    def run(self, connection: Connection, values: Values) -> int:
        """Run it once, and return how many rows it changed; raises DBAPIError."""
        made = self._of(connection)
        with cursor_of(connection) as cursor:
            cursor.execute(made.text, made.given(values))
            return int(cursor.rowcount)

    def one(self, connection: Connection, values: Values) -> Any:
        """Run it and return the first column of its row, None for no row; raises DBAPIError."""
        made = self._of(connection)
        with cursor_of(connection) as cursor:
            cursor.execute(made.text, made.given(values))
            row = cursor.fetchone()
            return None if row is None else row[0]

    def many(self, connection: Connection, rows: Iterable[Values]) -> None:
        """Run it for each of `rows`; raises DBAPIError."""
        made = self._of(connection)
        with cursor_of(connection) as cursor:
            cursor.executemany(made.text, [made.given(values) for values in rows])

    def _of(self, connection: Connection) -> _Made:
        name = connection.dialect.name
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = _Made(connection, self._statement, self._columns)
        return made


@contextmanager
def cursor_of(connection: Connection) -> Iterator[Any]:
    """Give a cursor of the driver; its errors become those that SQLAlchemy raises."""
    dialect = connection.dialect
    driver: Any = dialect.loaded_dbapi
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except driver.Error as error:
        lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            None,
            None,
            error,
            driver.Error,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=dialect,
        ) from error
    finally:
        cursor.close()


class _Made:
    """A statement as text for one database, with what turns its values into the driver's."""

    def __init__(
        self, connection: Connection, statement: ClauseElement, columns: tuple[str, ...]
    ) -> None:
        dialect = connection.dialect
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(columns) or None)
        self.text = str(compiled)
        names = compiled.positiontup
        self._named = names is None
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        self._parts = [_part(name, binds[name], dialect) for name in names or binds]

    def given(self, values: Values) -> Any:
        """Return the parameters as the driver takes them."""
        if self._named:
            return {name: take(values) for name, take in self._parts}
        return [take(values) for _, take in self._parts]


def _part(name: str, bind: Any, dialect: Any) -> tuple[str, Callable[[Values], Any]]:
    """Return a parameter's name, and what takes its value from those that are given."""
    process = bind.type.dialect_impl(dialect).bind_processor(dialect)
    if not bind.required:
        constant = bind.value if process is None else process(bind.value)
        return name, lambda _values: constant
    if process is None:
        return name, lambda values: values[name]
    return name, lambda values: process(values[name])
