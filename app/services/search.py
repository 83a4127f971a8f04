"""Search: the texts of failures, and where a typed text occurs in them.

`failure_texts` is filled by workers (services/search_fill.py): an FTS5 table of trigrams on SQLite,
a table with a trigram index on PostgreSQL. What is typed is taken literally, by both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Connection, String, column, func, or_, select, table
from sqlalchemy import text as sql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from app.models import Failure
from app.storage import LOWERED

TEXTS = table("failure_texts", column("rowid"), column("text", String))
SEARCHED = (Failure.message, Failure.error_code, Failure.entity_id, Failure.project)
# Shorter ones have no trigram.
SHORTEST = 3

INDEX = "failure_texts_trigrams"
MAKE_INDEX = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm; "
    f"CREATE INDEX {INDEX} ON failure_texts USING gin (text gin_trgm_ops);"
)


class Lowered(FunctionElement[str]):
    """A text in small letters of any script; SQLite's own function knows A to Z alone."""

    type = String()
    inherit_cache = True


@compiles(Lowered)
def _lower(element: Any, compiler: Any, **options: Any) -> str:
    name = LOWERED if compiler.dialect.name == "sqlite" else "lower"
    return f"{name}({compiler.process(element.clauses, **options)})"


class Holds(FunctionElement[bool]):
    """Whether a text holds a pattern of LIKE, in any case of A to Z.

    SQLite's LIKE minds no case of these; lower() around it would take as long again.
    """

    type = Boolean()
    inherit_cache = True


@compiles(Holds)
def _like(element: Any, compiler: Any, **options: Any) -> str:
    word = "LIKE" if compiler.dialect.name == "sqlite" else "ILIKE"
    text, pattern = (compiler.process(one, **options) for one in element.clauses)
    return f"({text} {word} {pattern} ESCAPE '\\')"


def contains(typed: str, columns: Sequence[Any] = SEARCHED) -> ColumnElement[bool]:
    """Return the condition that one of `columns` contains what was typed, in any case."""
    if typed.isascii():
        return or_(*(Holds(column, f"%{_literal(typed)}%") for column in columns))
    # One call a row, since it is a function of Python on SQLite.
    whole = reduce(add, (func.coalesce(one, "") + "\n" for one in columns))
    return Lowered(whole).contains(typed.lower(), autoescape=True)


def has_index(connection: Connection) -> bool:
    """Whether texts are found by an index; PostgreSQL may have come without pg_trgm."""
    if connection.dialect.name == "sqlite":
        return True
    return connection.scalar(sql(f"SELECT to_regclass('{INDEX}')")) is not None


def kept(connection: Connection, texts: Sequence[str | None]) -> str:
    """Return the text of a failure as the index of this database keeps it."""
    whole = "\n".join(text for text in texts if text)
    return whole if connection.dialect.name == "sqlite" else whole.lower()


def indexed(typed: str) -> bool:
    """Whether the index can find it."""
    return len(typed) >= SHORTEST and "\0" not in typed


def found(connection: Connection, typed: str, most: int) -> list[int] | None:
    """Return the ids of the failures with a text that the index can find; None: `most` or more."""
    if connection.dialect.name == "sqlite":
        asked: Any = sql("failure_texts MATCH :phrase").bindparams(phrase=_phrase(typed))
    else:
        # Not ILIKE, which makes small letters of every text that it looks at.
        asked = TEXTS.c.text.like(f"%{_literal(typed.lower())}%")
    some = select(TEXTS.c.rowid).where(asked).limit(most)
    # What is too frequent is not read at all.
    number = connection.scalar(select(func.count()).select_from(some.subquery()))
    return list(connection.scalars(some)) if (number or 0) < most else None


def _phrase(typed: str) -> str:
    return '"' + typed.replace('"', '""') + '"'


def _literal(typed: str) -> str:
    """Return a text as a part of a pattern of LIKE that means the text itself."""
    return typed.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
