"""The database: engine, column types, and the two ways in: `reading()` and `writing()`.

SQLite writes are always BEGIN IMMEDIATE and queue on a lock file before they begin (facts.md,
SQLite); PostgreSQL needs neither. Nothing here knows a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, Dialect, Engine, Integer, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from app.clock import from_micros, monotonic, to_micros
from app.config import Settings
from app.errors import StorageUnavailable
from app.room import Room
from app.write_lock import WAIT_SECONDS, WriteLock

Id = BigInteger().with_variant(Integer, "sqlite")
RETRYABLE = ("40001", "40P01")
# PostgreSQL gave up waiting: for a lock, for a statement, for a transaction that stood idle; it
# has become a standby that is only read; it met damage in its files.
GAVE_UP = ("55P03", "57014", "25P03", "25006", "XX001", "XX002")
# SQLite met damage in its file: SQLITE_CORRUPT, SQLITE_NOTADB.
DAMAGED = (11, 26)
# No peer that is frozen or gone may hold up the others for longer than this.
_LIMITS = {
    "lock_timeout": "8s",
    "idle_in_transaction_session_timeout": "15s",
    "statement_timeout": "60s",
}
# A function of our own on SQLite, whose lower() knows A to Z alone.
LOWERED = "tocsin_lower"
_MODES = {
    "FULL": ("synchronous=FULL", "wal_autocheckpoint=1000"),
    "NORMAL": ("synchronous=NORMAL", "wal_autocheckpoint=1000"),
    "BULK": ("synchronous=NORMAL", "wal_autocheckpoint=0"),
}
_POSTGRESQL = {
    "connect_timeout": 5,
    "application_name": "tocsin",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC, kept as whole microseconds since 1970 on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Store microseconds."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Read an aware time."""
        return None if value is None else from_micros(value)


class Contended(StorageUnavailable):
    """Two transactions met; the loser may simply try again."""


class Store:
    """The database of one installation; safe to share between threads, and over a fork."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.sqlite = engine.dialect.name == "sqlite"
        # When this process last wrote something, on the monotonic clock; /healthz asks.
        self.last_commit: float | None = None
        self.room = _room(engine, settings)
        self._lock = WriteLock(settings.data_dir / "write.lock") if self.sqlite else None
        self._durable = engine.execution_options(tocsin_write="FULL")
        self._relaxed = engine.execution_options(tocsin_write="NORMAL")
        self._bulk = engine.execution_options(tocsin_write="BULK")
        event.listen(engine, "begin", _begin_sqlite if self.sqlite else _begin_postgresql)
        if self.sqlite:
            event.listen(engine, "connect", _connect_sqlite)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read in one snapshot-ish transaction that writes nothing; raises StorageUnavailable."""
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Connection]:
        """Write in one transaction, committed at the end, rolled back on any error.

        `durable`: safe against a power cut (FULL); otherwise against kill -9 only (NORMAL).
        Raises StorageUnavailable when nothing can be written now, Contended when trying again
        at once may help.
        """
        with self._writing(self._durable if durable else self._relaxed) as connection:
            yield connection

    @contextmanager
    def bulk_writing(self) -> Iterator[Connection]:
        """Write one of many transactions, safe against kill -9; `checkpoint` after some of them.

        On SQLite none of them stops to copy the log into the database while others wait to write.
        """
        with self._writing(self._bulk) as connection:
            yield connection

    @contextmanager
    def _writing(self, engine: Engine) -> Iterator[Connection]:
        with self._locked(), _translated(), engine.connect() as connection, connection.begin():
            yield connection
        self.last_commit = monotonic()

    def checkpoint(self) -> None:
        """Copy SQLite's log into the database as far as nobody is hindered by it."""
        if self.sqlite:
            with _translated(), closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Write through the ORM in one durable transaction; the same promises as `writing`."""
        with self.writing() as connection, Session(connection, expire_on_commit=False) as session:
            yield session
            session.flush()

    @contextmanager
    def viewing(self) -> Iterator[Session]:
        """Read through the ORM."""
        with _translated(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    def _locked(self) -> AbstractContextManager[None]:
        return self._lock.held() if self._lock else nullcontext()


def _room(engine: Engine, settings: Settings) -> Room:
    """Return the room of the disk with the SQLite file; that of PostgreSQL cannot be seen."""
    if engine.dialect.name != "sqlite":
        return Room(settings.data_dir, settings.min_free_mb)
    return Room(Path(str(engine.url.database)).parent, settings.min_free_mb)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise _plain(error) from error
    except DBAPIError as error:
        if error.connection_invalidated or _sqlstate(error) in GAVE_UP or _is_damage(error):
            raise _plain(error) from error
        raise


def _plain(error: Exception) -> StorageUnavailable:
    if _sqlstate(error) in RETRYABLE:
        return Contended("The database is contended.", retry_after=1)
    # What PostgreSQL says has several lines.
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    return StorageUnavailable(f"The database cannot be used now: {said}")


def _is_damage(error: DBAPIError) -> bool:
    # The low byte of SQLite's code is the kind of error, the rest where it was met.
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _connect_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.create_function(LOWERED, 1, _lowered, deterministic=True)
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "cache_size=-8000"):
        connection.execute(f"PRAGMA {pragma}")


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("tocsin_write")
    if not mode:
        connection.exec_driver_sql("BEGIN")
        return
    if connection.info.get("mode") != mode:
        for pragma in _MODES[mode]:
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        connection.info["mode"] = mode
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("tocsin_write") in ("NORMAL", "BULK"):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def without_limits(connection: Connection) -> None:
    """Let this transaction take as long as it must, as a migration of much data does."""
    if connection.dialect.name != "sqlite":
        for name in _LIMITS:
            connection.exec_driver_sql(f"SET LOCAL {name} = 0")


def _limits(settings: Settings) -> str:
    """Return the limits as the server takes them; options of the address come last, and win."""
    given = make_url(settings.database_url).query.get("options", "")
    ours = (f"-c {name}={value}" for name, value in _LIMITS.items())
    return " ".join((*ours, *([given] if isinstance(given, str) else given))).strip()


def engine_options(settings: Settings) -> dict[str, Any]:
    """Return the options of the engine: parameters hidden from errors, pools for many threads."""
    common: dict[str, Any] = {"hide_parameters": True, "pool_size": 8, "max_overflow": 40}
    if settings.sqlite:
        common["connect_args"] = {"timeout": WAIT_SECONDS, "check_same_thread": False}
        return common
    common["connect_args"] = _POSTGRESQL | {"options": _limits(settings)}
    return common | {"pool_pre_ping": True, "pool_timeout": WAIT_SECONDS}
