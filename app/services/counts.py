"""Counting by hour what happens, in the transaction in which it happens.

Each process counts in rows of its own, so that none of them is hot on PostgreSQL; those of past
hours are rolled up (services/housekeeping/rollups.py).
"""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from app.domain.kinds import DeliveryKind, DeliveryState
from app.models import Delivery, HourlyCount
from app.services.hot import Hot

# Shard 0 holds what is rolled up.
SHARDS = 64
_ENDED = (
    select(Delivery.state, func.count())
    .where(
        Delivery.id.in_(bindparam("ids", expanding=True)),
        Delivery.state.in_((DeliveryState.DELIVERED, DeliveryState.DEAD)),
        Delivery.finished_at == bindparam("now"),
        Delivery.kind != DeliveryKind.TEST,
    )
    .group_by(Delivery.state)
)


def add(connection: Connection, now: datetime, counts: Mapping[str, int]) -> None:
    """Add `counts`, by name, to the hour of `now`.

    To be the last statement of the caller's transaction: whoever waits for these rows must not hold
    others that are wanted here.
    """
    hour, shard = hour_of(now), _shard(os.getpid())
    rows = [
        {"hour": hour, "name": name, "shard": shard, "count": count}
        for name, count in sorted(counts.items())
        if count
    ]
    add_rows(connection, rows)


def add_ended(connection: Connection, now: datetime, delivery_ids: Iterable[int]) -> None:
    """Count those of the deliveries that were delivered, or died, in this transaction at `now`.

    Tests tell nobody of anything, and are not counted.
    """
    ids = list(delivery_ids)
    if ids:
        rows = connection.execute(_ENDED, {"ids": ids, "now": now}).all()
        add(connection, now, {f"deliveries.{state}": count for state, count in rows})


def add_rows(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Add the counts of `rows` to those that are there."""
    if rows:
        _adding(connection.dialect.name).many(connection, rows)


def hour_of(moment: datetime) -> datetime:
    """Return when the hour of `moment` began, in UTC."""
    return moment.replace(minute=0, second=0, microsecond=0)


@cache
def _adding(dialect: str) -> Hot:
    table = HourlyCount.__table__
    made: Any = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    adding = made.on_conflict_do_update(
        index_elements=["hour", "name", "shard"],
        set_={"count": table.c.count + made.excluded.count},
    )
    return Hot(adding, "hour", "name", "shard", "count")


@cache
def _shard(pid: int) -> int:
    """Return this process's shard: processes of a machine follow each other, machines differ."""
    return 1 + (pid + zlib.crc32(socket.gethostname().encode())) % SHARDS
