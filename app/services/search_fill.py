"""Filling the search, off the intake path: workers read what was reported since the last time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_
from sqlalchemy.dialects import postgresql

from app import clock
from app.models import Failure, Preference
from app.services.housekeeping.steps import Pace
from app.services.installation import Installation
from app.services.search import SEARCHED, TEXTS, kept
from app.services.sql import among, patiently, upsert

ROW = "_searched"
READ_AT_ONCE = 500
# What is reported now may be committed later than what is reported after it: so long is waited.
SETTLED = timedelta(seconds=20)
_PLACE = (Failure.last_logged_at, Failure.id)
_ONE = Lock()

GoesOn = Callable[[], bool]


def fill(site: Installation, goes_on: GoesOn = lambda: True) -> int:
    """Bring the search up to date; returns how many texts were written.

    The mark, up to which all is searched, is kept behind the present, so that nothing is missed
    that is committed late. Idempotent, safe when killed and by many at once. Raises
    StorageUnavailable.
    """
    if not _ONE.acquire(blocking=False):
        return 0
    try:
        return _fill(site, goes_on)
    finally:
        _ONE.release()


def _fill(site: Installation, goes_on: GoesOn) -> int:
    settled = clock.utc_now() - SETTLED
    after = _mark(site, settled)
    pace, written = Pace(), 0
    while goes_on():
        with site.store.reading() as connection:
            rows = _reported(connection, after)
            changed = _changed(connection, rows)
        for start in range(0, len(changed), READ_AT_ONCE):
            written += _write_all(site, changed[start : start + READ_AT_ONCE], pace)
        if not rows:
            break
        after = rows[-1].last_logged_at, rows[-1].id
        if after[0] <= settled:
            _keep(site, after)
        if len(rows) < READ_AT_ONCE:
            break
    return written


def _mark(site: Installation, settled: datetime) -> tuple[datetime, int]:
    """Return up to where all is searched; a mark of the future is by a clock that was set back."""
    query = select(Preference.value).where(Preference.name == ROW)
    with site.store.reading() as connection:
        value: Any = connection.scalar(query)
    if value is None:
        return clock.from_micros(0), 0
    at = datetime.fromisoformat(value["at"])
    return (at, value["id"]) if at <= settled else (settled, 0)


def _keep(site: Installation, mark: tuple[datetime, int]) -> None:
    value = {"at": mark[0].isoformat(), "id": mark[1]}
    row = {"name": ROW, "value": value, "updated_at": clock.utc_now()}
    with site.store.bulk_writing() as connection:
        upsert(connection, Preference.__table__, ("name",), [row])


def _reported(connection: Connection, after: tuple[datetime, int]) -> Sequence[Any]:
    query = select(*_PLACE, *SEARCHED).where(tuple_(*_PLACE) > after).order_by(*_PLACE)
    return connection.execute(query.limit(READ_AT_ONCE)).all()


def _changed(connection: Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the texts that are not searched yet as they are now."""
    ids = [row.id for row in rows]
    known = select(TEXTS.c.rowid, TEXTS.c.text).where(among(connection, TEXTS.c.rowid, ids))
    there = {row.rowid: row.text for row in connection.execute(known)}
    texts = ((row.id, kept(connection, row[2:])) for row in rows)
    return [{"rowid": id, "text": text} for id, text in texts if there.get(id) != text]


def _write_all(site: Installation, rows: Sequence[dict[str, Any]], pace: Pace) -> int:
    place = 0
    while place < len(rows):
        some = rows[place : place + pace.rows]
        seconds = patiently(partial(_write, site, some))
        pace.note(len(some), seconds)
        place += len(some)
        if pace.asks_for_checkpoint():
            site.store.checkpoint()
        clock.sleep(seconds)
    return len(rows)


def _write(site: Installation, rows: Sequence[dict[str, Any]]) -> float:
    with site.store.bulk_writing() as connection:
        began = clock.monotonic()
        ids = [row["rowid"] for row in rows]
        connection.execute(delete(TEXTS).where(among(connection, TEXTS.c.rowid, ids)))
        insert = TEXTS.insert()
        if not site.store.sqlite:
            insert = postgresql.insert(TEXTS).on_conflict_do_nothing()
        connection.execute(insert, rows)
    return clock.monotonic() - began
