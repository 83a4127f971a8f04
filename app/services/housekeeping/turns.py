"""Whose turn it is to prune: once a night, kept in a row of the settings that no person sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from app import clock
from app.domain.schedule import SKEW
from app.models import Preference
from app.services.installation import Installation
from app.services.processes import dead_owners
from app.services.sql import insert_missing

ROW = "_pruned"
# UTC: an installation has no zone, and pruning takes nothing that anybody would notice.
NIGHT_HOUR = 3
_TABLE = Preference.__table__


@dataclass(frozen=True)
class Last:
    """When a prune last came to its end, and how many rows it had deleted."""

    ended: datetime
    rows: int


def last(connection: Connection) -> Last | None:
    """Return what is known of the last prune that came to its end."""
    row = _row(connection)
    if row is None or "ended" not in row.value:
        return None
    return Last(datetime.fromisoformat(row.value["ended"]), row.value["rows"])


def may_be_due(connection: Connection, process_id: int) -> bool:
    """Return whether a prune is due as far as one SELECT can tell."""
    row = _row(connection)
    return row is None or row.value["owner"] is not None or _is_due(row, {process_id})


def take(site: Installation, process_id: int) -> bool:
    """Take the turn if a prune is due; of two who try, one gets it. One transaction."""
    with site.store.reading() as connection:
        row = _row(connection)
    owner = row.value["owner"] if row is not None else None
    dead = dead_owners(site, {owner}) if owner is not None else set()
    if row is not None and not _is_due(row, {process_id, *dead}):
        return False
    now = clock.utc_now()
    value = {**(row.value if row is not None else {}), "owner": process_id, "done": False}
    with site.store.writing() as connection:
        if row is None:
            fresh = {"name": ROW, "value": value, "updated_at": now}
            return insert_missing(connection, _TABLE, [fresh]) == 1
        taken = connection.execute(
            _TABLE.update()
            .where(_TABLE.c.name == ROW, _TABLE.c.updated_at == row.updated_at)
            .values(value=value, updated_at=now)
        )
        return bool(taken.rowcount)


def give_back(site: Installation, process_id: int, counts: Mapping[str, int] | None) -> None:
    """End the turn, unless another has it by now; without `counts` it was cut short."""
    with site.store.writing() as connection:
        row = _row(connection)
        if row is None or row.value["owner"] != process_id:
            return
        value = {**row.value, "owner": None, "done": counts is not None}
        if counts is not None:
            value |= {"ended": clock.utc_now().isoformat(), "rows": sum(counts.values())}
        connection.execute(_TABLE.update().where(_TABLE.c.name == ROW).values(value=value))


def _row(connection: Connection) -> Any:
    query = select(_TABLE.c.value, _TABLE.c.updated_at).where(_TABLE.c.name == ROW)
    return connection.execute(query).first()


def _is_due(row: Any, gone: set[int]) -> bool:
    """Whether the prune of this night has not begun, or was cut short and nobody is at it.

    One that began in the future did so by a clock that has been set back since.
    """
    now = clock.utc_now()
    if row.updated_at < _night(now) or row.updated_at > now + SKEW:
        return True
    owner = row.value["owner"]
    return not row.value["done"] and (owner is None or owner in gone)


def _night(now: datetime) -> datetime:
    """Return the last time that it was three in the morning."""
    night = now.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return night if night <= now else night - timedelta(days=1)
