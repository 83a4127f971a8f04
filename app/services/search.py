"""Search: the texts of failures, and where a typed text occurs in them.

`failure_texts` is filled by workers (services/search_fill.py): an FTS5 table of trigrams on SQLite,
a table with a trigram index on PostgreSQL. What is typed is taken literally, by both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, column, or_, select, table
from sqlalchemy import text as sql

from app.models import Failure

TEXTS = table("failure_texts", column("rowid"), column("text", String))
SEARCHED = (Failure.message, Failure.error_code, Failure.entity_id, Failure.project)
# Shorter ones have no trigram.
SHORTEST = 3

_MATCH = sql("SELECT rowid FROM failure_texts WHERE failure_texts MATCH :phrase LIMIT :n")


def contains(typed: str, columns: Sequence[Any] = SEARCHED) -> ColumnElement[bool]:
    """Return the condition that one of `columns` contains what was typed."""
    return or_(*(column.icontains(typed, autoescape=True) for column in columns))


def indexed(typed: str) -> bool:
    """Whether the index can find it."""
    return len(typed) >= SHORTEST and "\0" not in typed


def found(connection: Connection, typed: str, most: int) -> list[int]:
    """Return the ids of at most `most` failures with the text.

    A little more may be found than `contains` says, and what was deleted since.
    """
    if connection.dialect.name == "sqlite":
        phrase = '"' + typed.replace('"', '""') + '"'
        return list(connection.scalars(_MATCH, {"phrase": phrase, "n": most}))
    # Not lower(…) LIKE …, which the index does not serve.
    escaped = typed.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    query = select(TEXTS.c.rowid).where(TEXTS.c.text.ilike(f"%{escaped}%")).limit(most)
    return list(connection.scalars(query))
