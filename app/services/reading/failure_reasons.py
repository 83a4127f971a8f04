"""Why the failures of a page were told, or were not, in the words of their stored decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select

from app.models import Failure, Integration
from app.services.installation import Installation
from app.services.sql import among


def of(site: Installation, failure_ids: Iterable[int]) -> Mapping[int, str]:
    """Return the sentence of each failure's current decision, by its id."""
    with site.store.reading() as connection:
        mine = among(connection, Failure.id, list(failure_ids))
        rows = connection.execute(select(Failure.id, Failure.decision).where(mine))
        return {row.id: row.decision["text"] for row in rows if row.decision}


def names(site: Installation, keys: Iterable[str]) -> Mapping[str, tuple[int, str]]:
    """Return the id and the name of each integration, by its key."""
    with site.store.reading() as connection:
        mine = Integration.key.in_(sorted(set(keys)))
        query = select(Integration.key, Integration.id, Integration.name).where(mine)
        return {row.key: (row.id, row.name) for row in connection.execute(query)}


def choices(site: Installation, most: int = 200) -> list[tuple[str, str]]:
    """Return the integrations to choose from, by name; none where there are more than `most`."""
    query = select(Integration.key, Integration.name).order_by(Integration.name).limit(most + 1)
    with site.store.reading() as connection:
        rows = connection.execute(query).all()
    return [(row.key, row.name) for row in rows] if len(rows) <= most else []
