"""Pacing: the times of a system's last messages, over all its lanes and all workers."""

from __future__ import annotations

from app.clock import from_micros, to_micros, utc_now
from app.domain import pacing
from app.domain.pacing import Windows
from app.models import Pace
from app.services.installation import Installation
from app.services.sql import insert, patiently


def reserve(site: Installation, system_id: int, windows: Windows) -> float:
    """Take the turn of one message, and return 0; else the seconds until there is one.

    One transaction; raises StorageUnavailable. A turn that is not used is lost: it comes again
    within the longest window.
    """
    return patiently(lambda: _transaction(site, system_id, windows))


def _transaction(site: Installation, system_id: int, windows: Windows) -> float:
    table, now = Pace.__table__, utc_now()
    with site.store.writing(durable=False) as connection:
        query = table.select().where(table.c.system_id == system_id).with_for_update()
        row = connection.execute(query).first()
        before = [from_micros(micros) for micros in row.sent] if row is not None else []
        sent = pacing.remembered(before, windows, now)
        wait = pacing.rest(sent, windows, now).total_seconds()
        if wait > 0:
            return wait
        times = [to_micros(at) for at in (*sent, now)]
        made = insert(connection, table).values(system_id=system_id, sent=times)
        connection.execute(
            made.on_conflict_do_update(index_elements=["system_id"], set_={"sent": times})
        )
    return 0.0
