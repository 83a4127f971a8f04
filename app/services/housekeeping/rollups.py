"""Rolling up: the counts that each process keeps of an hour become one, some hours later."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, select

from app import clock
from app.models import HourlyCount
from app.services.counts import add_rows, hour_of
from app.services.installation import Installation
from app.services.sql import patiently
from app.storage import Store

# What is counted later than this goes with the next roll-up.
AGE = timedelta(hours=2)

_done: WeakKeyDictionary[Store, datetime] = WeakKeyDictionary()


def roll_up_if_due(site: Installation) -> None:
    """Roll up once an hour, by this process; raises StorageUnavailable."""
    hour = hour_of(clock.utc_now())
    if _done.get(site.store) != hour:
        roll_up(site)
        _done[site.store] = hour


def roll_up(site: Installation) -> int:
    """Merge the shards of each hour that is over; returns how many hours had any.

    One transaction an hour; idempotent, and safe when two run at once.
    """
    table = HourlyCount
    old = select(table.hour).where(table.hour <= hour_of(clock.utc_now()) - AGE, table.shard != 0)
    with site.store.reading() as connection:
        hours = connection.scalars(old.distinct().order_by(table.hour)).all()
    for hour in hours:
        patiently(partial(_merge, site, hour))
    return len(hours)


def _merge(site: Installation, hour: datetime) -> None:
    with site.store.writing(durable=False) as connection:
        counts = _taken(connection, hour)
        rows = [
            {"hour": hour, "name": name, "shard": 0, "count": count}
            for name, count in sorted(counts.items())
        ]
        add_rows(connection, rows)


def _taken(connection: Connection, hour: datetime) -> Counter[str]:
    """Take the shards out; what another takes at the same time is not returned here."""
    table = HourlyCount.__table__
    shards = table.delete().where(table.c.hour == hour, table.c.shard != 0)
    counts: Counter[str] = Counter()
    for name, count in connection.execute(shards.returning(table.c.name, table.c.count)):
        counts[name] += count
    return counts
