"""Storing traces, each once per content; those that no failure has any more are pruned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam
from sqlalchemy.dialects import postgresql

from app.models import Trace
from app.services.sql import insert_missing

# Half of the age at which an orphan may be pruned (services/housekeeping/mail.py).
FRESH = timedelta(hours=12)


def keep(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert `rows`, in order of their hash; those that are there already are kept from pruning.

    On SQLite nobody prunes while this transaction writes. On PostgreSQL a trace that is used again
    is locked, and made young if it is not: otherwise it could be pruned before the failure that has
    it now can be seen.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        insert_missing(connection, Trace.__table__, rows)
    else:
        stale = rows[0]["created_at"] - FRESH
        connection.execute(_insert_or_lock(), [row | {"stale": stale} for row in rows])


@cache
def _insert_or_lock() -> Any:
    made = postgresql.insert(Trace.__table__)
    stale = bindparam("stale", type_=Trace.__table__.c.created_at.type)
    return made.on_conflict_do_update(
        index_elements=["hash"],
        set_={"created_at": made.excluded.created_at},
        where=Trace.__table__.c.created_at < stale,
    )
