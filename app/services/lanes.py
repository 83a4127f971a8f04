"""Lanes: each has one owner at a time, by a lease with a token (delivery.md, Who does what, 4)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, exists, or_, select

from app.clock import unsteady, utc_now
from app.domain.kinds import DeliveryKind, DeliveryState, LaneState, Policy
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
# What a lane that works again forgets.
NORMAL: dict[str, Any] = {
    "state": LaneState.NORMAL,
    "round": 0,
    **dict.fromkeys(("held_id", "next_try_at", "error_reason", "error_text", "error_at")),
    "fallback_delivery_id": None,
}


@dataclass(frozen=True)
class Lease:
    """The right to send what waits in a lane, until `seconds` after the last renewal.

    `row` None: the lane holds mail, which follows the dispatch pass and has no retry policy.
    """

    lane_id: int
    system_id: int
    row: str | None
    state: LaneState
    held_id: int | None
    next_try_at: datetime | None
    policy: Policy | None
    token: str
    seconds: float

    @property
    def blocked(self) -> bool:
        """Whether its endpoint does not answer, so that one message is tried for all."""
        return self.state is LaneState.RETRYING and self.held_id is not None


_CLAIMED = [
    Lane.__table__.c[name]
    for name in ("system_id", "row", "state", "held_id", "next_try_at", "policy")
]


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
            .where(lane.c.id == lane_id, free(now), ~system_paused())
            .values(
                owner_id=process_id,
                lease_token=token,
                lease_until=now + timedelta(seconds=seconds),
            )
            .returning(*_CLAIMED)
        ).first()
        if row is None:
            return None
        give_back_lost(connection, lane_id, now)
    return Lease(lane_id, **row._mapping, token=token, seconds=seconds)


def free(now: datetime) -> ColumnElement[bool]:
    """Return the condition of lanes that nobody owns."""
    return unowned(now, now + LONGEST_LEASE, steady=not unsteady())


def unowned(now: Any, longest: Any, *, steady: bool) -> ColumnElement[bool]:
    """Return the same; `now` and the end of the longest lease may be bound later."""
    until = Lane.__table__.c.lease_until
    if not steady:
        # No lease ends by a clock that has jumped; the sweep takes back those of dead owners.
        return until.is_(None)
    return or_(until.is_(None), until < now, until > longest)


def system_paused() -> ColumnElement[bool]:
    """Return the condition of lanes whose system is paused."""
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
    lane = Lane.__table__
    with site.store.writing(durable=False) as connection:
        connection.execute(
            lane.update()
            .where(lane.c.id == lease.lane_id, lane.c.lease_token == lease.token)
            .values(owner_id=None, lease_token=None, lease_until=None)
        )
        _unclaim(connection, lease)


def give_back_claims(site: Installation, lease: Lease) -> None:
    """Make due again what was claimed and not started, and keep the lane."""

    def work() -> None:
        with site.store.writing(durable=False) as connection:
            _unclaim(connection, lease)

    patiently(work)


def _unclaim(connection: Connection, lease: Lease | Held) -> None:
    delivery = Delivery.__table__
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
    """Let what waits in the lane be tried at once; raises NotFound. Idempotent.

    Mail: all of it is due. HTTP: one try, beside the rounds and counted by none of them, whose
    success flushes the lane; where the endpoint answers, what waits for its own time is due.
    """
    now = utc_now()
    with site.store.writing() as connection:
        lane = connection.execute(_ASKED_FOR, {"lane": lane_id}).first()
        if lane is None:
            raise NotFound(f"There is no lane {lane_id}.")
        if lane.row is None:
            allow_probe(connection, [lane_id], now)
        else:
            table = Lane.__table__
            connection.execute(table.update().where(table.c.id == lane_id).values(asked=True))
        if lane.row is None or lane.held_id is None:
            _make_due(connection, lane_id, now)
    site.alarm.wake([str(lane_id)])


_ASKED_FOR = select(Lane.row, Lane.held_id).where(Lane.id == bindparam("lane"))


def _make_due(connection: Connection, lane_id: int, now: datetime) -> None:
    table = Delivery.__table__
    connection.execute(
        table.update()
        .where(
            table.c.lane_id == lane_id,
            table.c.state == DeliveryState.PENDING,
            or_(table.c.due_at.is_(None), table.c.due_at > now),
            table.c.kind != DeliveryKind.TEST,
        )
        .values(due_at=now)
    )
