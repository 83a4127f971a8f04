"""Pacing: the times of a system's last messages, over all its lanes and all workers."""

from __future__ import annotations

from sqlalchemy import select

from app.clock import from_micros, to_micros, utc_now
from app.domain import pacing
from app.domain.pacing import Windows
from app.models import Pace
from app.services.installation import Installation
from app.services.sql import insert_missing, patiently


def reserve(site: Installation, system_id: int, windows: Windows) -> float:
    """Take the turn of one message, and return 0; else the seconds until there is one.

    One transaction; raises StorageUnavailable. A turn that is not used is lost: it comes again
    within the longest window.
    """
    return patiently(lambda: _transaction(site, system_id, windows))


def _transaction(site: Installation, system_id: int, windows: Windows) -> float:
    table, now = Pace.__table__, utc_now()
    mine = table.c.system_id == system_id
    with site.store.writing(durable=False) as connection:
        # There before it is locked: two who find none would each take the first turn.
        insert_missing(connection, table, [{"system_id": system_id, "sent": []}])
        before = connection.scalars(select(table.c.sent).where(mine).with_for_update()).one()
        sent = pacing.remembered([from_micros(one) for one in before], windows, now)
        wait = pacing.rest(sent, windows, now).total_seconds()
        if wait > 0:
            return wait
        times = [to_micros(at) for at in (*sent, now)]
        connection.execute(table.update().where(mine).values(sent=times))
    return 0.0
