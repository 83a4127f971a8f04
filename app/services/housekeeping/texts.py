"""The texts that are searched and whose failure is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, column, delete, exists, select, table

from app.models import Failure
from app.services.housekeeping.steps import Found
from app.services.housekeeping.walking import stretch
from app.services.search import TEXTS
from app.services.sql import among


class Orphans:
    """The prune of texts whose failure is gone."""

    name = "searched texts"

    def find(self, connection: Connection, after: Any) -> Found:
        """Walk the texts by their ids; those of SQLite stand in a table of FTS5's own."""
        inner = "failure_texts_docsize" if connection.dialect.name == "sqlite" else "failure_texts"
        key: Any = column("id" if connection.dialect.name == "sqlite" else "rowid")
        texts = table(inner, key)
        part, last = stretch(connection, (texts.c[key.name],), after)
        gone = ~exists().where(Failure.id == texts.c[key.name])
        query = select(texts.c[key.name]).where(and_(part, gone))
        return Found(connection.scalars(query).all(), last)

    def delete(self, connection: Connection, keys: Sequence[int]) -> int:
        """Delete; ids are never given twice."""
        done = connection.execute(delete(TEXTS).where(among(connection, TEXTS.c.rowid, keys)))
        return int(done.rowcount)
