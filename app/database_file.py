"""The SQLite file before anything uses it: there as a whole, sound, and ours to write.

SQLite takes an empty file for a new database, opens one it may not write for reading, and finds
damage only where it happens to read. So a start looks first, and says what is to be done.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url

from app.config import Settings
from app.errors import DatabaseUnusable

# How long a start looks for damage: enough for a few hundred MB, and no delay beyond.
LOOK_SECONDS = 0.5
_RESTORE = "Move it away, with its -wal and -shm files, and put a backup in its place"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def require_sound(settings: Settings) -> None:
    """Make the file where there is none; raises DatabaseUnusable where it cannot be used.

    Looks for damage for half a second at most. Does nothing for PostgreSQL, which looks itself.
    """
    if not settings.sqlite:
        return
    path = Path(str(make_url(settings.database_url).database))
    try:
        _require_content(path)
        with closing(_connect(path)) as connection:
            _try_to_write(connection)
            _look_for_damage(connection)
    except (sqlite3.Error, OSError) as error:
        raise DatabaseUnusable(f"The database {path} {_trouble(error)}.") from error


def _require_content(path: Path) -> None:
    if not path.exists():
        _make(path)
    if path.stat().st_size == 0:
        raise DatabaseUnusable(
            f"The database {path} is empty (0 bytes), what it held is lost. {_RESTORE}, "
            "or remove it to begin anew."
        )


def _make(path: Path) -> None:
    """Make a new database in one step, so that an empty file is never one of ours."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    draft.replace(path)


def _connect(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?mode=rw"
    return sqlite3.connect(address, 0, uri=True, isolation_level=None)


def _try_to_write(connection: sqlite3.Connection) -> None:
    try:
        # To begin is not enough: of what is read-only SQLite quietly makes a reader.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA user_version=0")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        # Where somebody else writes, so may we.
        if _code(error) != sqlite3.SQLITE_BUSY:
            raise


def _look_for_damage(connection: sqlite3.Connection) -> None:
    limit = threading.Timer(LOOK_SECONDS, connection.interrupt)
    limit.start()
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if _code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT):
            raise
        return
    finally:
        # No thread may be left when the processes are forked.
        limit.cancel()
        limit.join()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _trouble(error: sqlite3.Error | OSError) -> str:
    """Return what is wrong, and what is to be done."""
    code = _code(error)
    if code in _DAMAGED:
        return f"is damaged: {error}. {_RESTORE}"
    if code in _DISK:
        return f"cannot be used: {error}. See to its disk"
    return (
        f"cannot be written: {error}. The file, any -wal and -shm beside it, and their directory "
        "must be there, and writable for the user that runs Tocsin"
    )


def _code(error: Exception) -> int:
    """Return the kind of an error; what we have found ourselves is damage."""
    if not isinstance(error, sqlite3.Error):
        return 0
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
