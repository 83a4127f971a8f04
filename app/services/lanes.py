"""Lanes: each has one owner at a time, by a lease with a token (delivery.md, Who does what, 4)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from app.clock import unsteady, utc_now
from app.domain.kinds import DeliveryKind, DeliveryState, LaneState
from app.errors import NotFound
from app.models import Delivery, Lane, System
from app.services import preferences
from app.services.installation import Installation
from app.services.processes import dead_owners
from app.services.recovery import Held, give_back_lost
from app.services.sql import patiently

# Longer than any lease can be: one that ends later was made by a clock that has jumped.
LONGEST_LEASE = timedelta(seconds=400)
MARGIN_SECONDS = 30
PACE = timedelta(seconds=1)
# What a lane that works again forgets.
NORMAL: dict[str, Any] = {
    "state": LaneState.NORMAL,
    "round": 0,
    **dict.fromkeys(("held_id", "next_try_at", "error_reason", "error_text", "error_at")),
    "fallback_delivery_id": None,
}


@dataclass(frozen=True)
class Lease:
    """The right to send what waits in a lane, until `seconds` after the last renewal."""

    lane_id: int
    system_id: int
    state: LaneState
    held_id: int | None
    next_try_at: datetime | None
    token: str
    seconds: float


def claim(
    site: Installation, lane_id: int, process_id: int, seconds: float, token: str | None = None
) -> Lease | None:
    """Take the lane for `seconds`, or return None: somebody owns it, or its sending is paused.

    What a lost owner held is given back in the same transaction; a delivery that lost its owner
    in mid-attempt too often is quarantined.
    """
    lane, now, token = Lane.__table__, utc_now(), token or secrets.token_hex(16)
    with site.store.writing(durable=False) as connection:
        if preferences.load(connection).paused:
            return None
        row = connection.execute(
            lane.update()
            .where(lane.c.id == lane_id, _free(now), ~_paused())
            .values(
                owner_id=process_id,
                lease_token=token,
                lease_until=now + timedelta(seconds=seconds),
            )
            .returning(*(lane.c[name] for name in ("system_id", "state", "held_id", "next_try_at")))
        ).first()
        if row is None:
            return None
        give_back_lost(connection, lane_id, now)
    return Lease(lane_id, row.system_id, row.state, row.held_id, row.next_try_at, token, seconds)


def _free(now: datetime) -> ColumnElement[bool]:
    until = Lane.__table__.c.lease_until
    if unsteady():
        # No lease ends by a clock that has jumped; the sweep takes back those of dead owners.
        return until.is_(None)
    return or_(until.is_(None), until < now, until > now + LONGEST_LEASE)


def _paused() -> ColumnElement[bool]:
    return exists().where(System.id == Lane.__table__.c.system_id, System.status == "paused")


def paused(connection: Connection, system_id: int) -> bool:
    """Return whether all sending is paused, or that through one system."""
    if preferences.load(connection).paused:
        return True
    status = connection.scalar(select(System.status).where(System.id == system_id))
    return status == "paused"


def renew(connection: Connection, lease: Lease) -> bool:
    """Extend the lease from now on; return whether it is still ours, and may be sent through."""
    if paused(connection, lease.system_id):
        return False
    table = Lane.__table__
    until = utc_now() + timedelta(seconds=lease.seconds)
    done = connection.execute(
        table.update()
        .where(table.c.id == lease.lane_id, table.c.lease_token == lease.token)
        .values(lease_until=until)
    )
    return bool(done.rowcount)


def give_back(site: Installation, lease: Lease | Held) -> None:
    """End the lease; what was claimed and not started is due again. Harmless when it was lost."""
    patiently(lambda: _give_back(site, lease))


def _give_back(site: Installation, lease: Lease | Held) -> None:
    """Write the lane's row before its deliveries, as `claim` does."""
    lane, delivery = Lane.__table__, Delivery.__table__
    with site.store.writing(durable=False) as connection:
        connection.execute(
            lane.update()
            .where(lane.c.id == lease.lane_id, lane.c.lease_token == lease.token)
            .values(owner_id=None, lease_token=None, lease_until=None)
        )
        connection.execute(
            delivery.update()
            .where(
                delivery.c.lane_id == lease.lane_id,
                delivery.c.state == DeliveryState.LEASED,
                delivery.c.lease_token == lease.token,
                delivery.c.started.is_(False),
            )
            .values(state=DeliveryState.PENDING, lease_token=None)
        )


def due(lane_id: ColumnElement[int] | int) -> ColumnElement[bool]:
    """Return the condition under which a mail of a lane may be sent.

    Mail is due as soon as it has a due time at all (a clock that was set back must not hold it).
    While the lane is retrying, only what came after the failed try is, or the pass allows a probe.
    """
    return and_(
        Delivery.lane_id == lane_id,
        Delivery.state == DeliveryState.PENDING,
        Delivery.due_at.is_not(None),
    )


def _rested(now: datetime) -> ColumnElement[bool]:
    """While a lane is retrying, attempts are at least 1 s apart (delivery.md, A lane)."""
    last = Lane.__table__.c.error_at
    return or_(last.is_(None), last <= now - PACE, last > now)


def with_work(site: Installation, only: int | None = None) -> list[int]:
    """Return the lanes nobody owns that have something due, or something to give back.

    `only` asks about one lane.
    """
    now = utc_now()
    open_ones = exists().where(
        due(Lane.__table__.c.id),
        or_(
            Lane.state != LaneState.RETRYING,
            Lane.next_try_at.is_not(None),
            and_(Delivery.id > Lane.held_id, _rested(now)),
        ),
    )
    held = exists().where(
        Delivery.lane_id == Lane.__table__.c.id, Delivery.state == DeliveryState.LEASED
    )
    with site.store.reading() as connection:
        if preferences.load(connection).paused:
            return []
        query = select(Lane.id).where(_free(now), ~_paused(), or_(open_ones, held))
        if only is not None:
            query = query.where(Lane.id == only)
        return list(connection.scalars(query))


def free_dead(site: Installation) -> None:
    """Free the lanes of processes that died at this place, without waiting for their leases."""
    with site.store.reading() as connection:
        owners = {
            one for one in connection.scalars(select(Lane.owner_id).distinct()) if one is not None
        }
    dead = dead_owners(site, owners)
    if not dead:
        return
    table = Lane.__table__
    with site.store.writing(durable=False) as connection:
        connection.execute(
            table.update()
            .where(table.c.owner_id.in_(dead))
            .values(owner_id=None, lease_token=None, lease_until=None)
        )


def allow_probe(connection: Connection, lane_ids: Iterable[int], now: datetime) -> None:
    """Let each failing lane of `lane_ids` try once more, in the caller's transaction."""
    table = Lane.__table__
    connection.execute(
        table.update()
        .where(table.c.id.in_(list(lane_ids)), table.c.state == LaneState.RETRYING)
        .values(next_try_at=now)
    )


def try_now(site: Installation, lane_id: int) -> None:
    """Make all mail of the lane due and let it be tried at once; raises NotFound. Idempotent."""
    now, table = utc_now(), Delivery.__table__
    with site.store.writing() as connection:
        if connection.scalar(select(Lane.id).where(Lane.id == lane_id)) is None:
            raise NotFound(f"There is no lane {lane_id}.")
        allow_probe(connection, [lane_id], now)
        connection.execute(
            table.update()
            .where(
                table.c.lane_id == lane_id,
                table.c.state == DeliveryState.PENDING,
                table.c.due_at.is_(None),
                table.c.kind != DeliveryKind.TEST,
            )
            .values(due_at=now)
        )
    site.alarm.wake([str(lane_id)])


def system_of(site: Installation, lane_id: int) -> int | None:
    """Return the system of a lane, or None where there is no such lane."""
    with site.store.reading() as connection:
        return connection.scalar(select(Lane.system_id).where(Lane.id == lane_id))


def has_work(site: Installation, lane_id: int) -> bool:
    """Return whether nobody owns the lane although something in it is due."""
    return bool(with_work(site, lane_id))
