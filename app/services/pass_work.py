"""What one pass does: tells who fell silent, makes waiting mail due, lets failing lanes try once.

Each step is a transaction of its own and harmless when done twice (S1; product.md 7).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, func, or_, select

from app import clock
from app.clock import utc_now
from app.domain.kinds import DeliveryKind, EndReason, LaneState
from app.models import IS_PENDING, IS_WAITING, Delivery, Lane, LaneEntry
from app.services import fallback, lanes, outbox, silence, waiting
from app.services.installation import Installation
from app.services.sql import CHUNK, among, patiently


def work(site: Installation) -> dict[str, int]:
    """Do one pass; returns its summary, by column of the run.

    `considered`: silent directions and mails that waited. `notified`: mails made due. `held`: mails
    that wait behind the one try of a failing lane. `skipped`: silence told already by a failure.
    `failed`: lanes that cannot deliver.
    """
    now = utc_now()
    # By a clock that has jumped everything would be silent (delivery.md, Clocks).
    silent = silence.Found() if clock.unsteady() else silence.tell(site, now)
    notified = sum(len(ids) for ids in _made_due(site, now))
    failing, held = patiently(partial(_let_try, site, now))
    return {
        "considered": notified + held + silent.skipped,
        "notified": notified,
        "held": held,
        "skipped": silent.skipped,
        "failed": failing,
    }


def _let_try(site: Installation, now: datetime) -> tuple[int, int]:
    """Let each failing lane send one mail; returns how many lanes fail, how many mails wait."""
    with site.store.writing() as connection:
        untrue = _forget_empty(connection, now)
        outbox.cancel_where(connection, Delivery.id.in_(untrue), EndReason.REMOVED)
        failing = connection.scalars(
            select(Lane.id)
            .where(Lane.state == LaneState.RETRYING, Lane.row.is_(None))
            .order_by(Lane.id)
            .with_for_update()
        ).all()
        lanes.allow_probe(connection, failing, now)
        # One whose fallback system was failing, too, when it began.
        fallback.tell(connection, now)
        behind = connection.scalar(
            select(func.count())
            .select_from(Delivery)
            .where(IS_PENDING, Delivery.lane_id.in_(failing))
        )
    return len(failing), max((behind or 0) - len(failing), 0)


def _made_due(site: Installation, now: datetime) -> Iterator[Sequence[int]]:
    """Make what waits due in short transactions, the oldest first; yields the ids of each.

    What begins to wait meanwhile, such as a mail that was just refused, is left to the next pass.
    """
    with site.store.reading() as connection:
        last = connection.scalar(select(func.max(Delivery.id)).where(IS_WAITING)) or 0
    first = 0
    while first < last:
        ids = _some_waiting(site, first, last)
        if not ids:
            return
        yield patiently(partial(_make_due, site, ids, now))
        first = max(ids)


def _some_waiting(site: Installation, after: int, last: int) -> Sequence[int]:
    """Read the next ids apart: as a part of the UPDATE, PostgreSQL may run it once for each row."""
    some = (
        select(Delivery.id)
        .where(
            IS_WAITING,
            Delivery.id > after,
            Delivery.id <= last,
            Delivery.lane_id.in_(select(Lane.id).where(Lane.row.is_(None))),
            Delivery.kind != DeliveryKind.TEST,
        )
        .order_by(Delivery.id)
        .limit(CHUNK)
    )
    with site.store.reading() as connection:
        return connection.scalars(some).all()


def _make_due(site: Installation, ids: Sequence[int], now: datetime) -> Sequence[int]:
    table = Delivery.__table__
    with site.store.writing() as connection:
        made_due = (
            table.update()
            .where(among(connection, table.c.id, ids), IS_WAITING)
            .values(due_at=now)
            .returning(table.c.id)
        )
        return connection.scalars(made_due).all()


def _forget_empty(connection: Connection, now: datetime) -> list[int]:
    """Make a failing lane with nothing left in it normal, in the caller's transaction.

    Returns the fallback messages about them: nothing has shown that they work again.
    """
    table = Lane.__table__
    query = select(table.c.id, table.c.fallback_delivery_id).order_by(table.c.id).with_for_update()
    # The owner of a lane with a retry policy leaves it in order by itself.
    unowned = or_(table.c.row.is_(None), table.c.lease_token.is_(None))
    empty = waiting.none_left(table.c.id)
    query = query.where(table.c.state == LaneState.RETRYING, unowned, *empty)
    told: dict[int, int | None] = {row.id: row[1] for row in connection.execute(query)}
    connection.execute(
        table.update().where(table.c.id.in_(told)).values(lanes.NORMAL | {"since": now})
    )
    entry = LaneEntry.__table__
    connection.execute(entry.delete().where(entry.c.lane_id.in_(told)))
    return [mail_id for mail_id in told.values() if mail_id is not None]
