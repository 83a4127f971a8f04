"""What a lost owner of a lane held goes back; what ended its owner too often is quarantined."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from app.domain.kinds import DeliveryState, Verdict
from app.domain.outcome import is_poison
from app.models import Attempt, Delivery, Lane
from app.services import counts, outbox
from app.services.installation import Installation


@dataclass(frozen=True)
class Held:
    """A lane that is owned by its row, and the token of the lease."""

    lane_id: int
    token: str


def held_by(site: Installation, process_id: int) -> list[Held]:
    """Return what a process owns by the rows of the lanes."""
    with site.store.reading() as connection:
        query = select(Lane.id, Lane.lease_token).where(
            Lane.owner_id == process_id, Lane.lease_token.is_not(None)
        )
        return [Held(row.id, row.lease_token) for row in connection.execute(query)]


def give_back_lost(connection: Connection, lane_id: int, now: datetime) -> None:
    """Give back what an owner before held, in the caller's transaction.

    Only attempts that were started and have no verdict count towards poison (delivery.md).
    """
    rows = connection.execute(
        select(Delivery.id, Delivery.started, Delivery.lost_leases, Delivery.attempt_count).where(
            Delivery.lane_id == lane_id, Delivery.state == DeliveryState.LEASED
        )
    ).all()
    started = [row for row in rows if row.started]
    for row in started:
        _note_unknown(connection, row.id, row.attempt_count, now)
        lost = row.lost_leases + 1
        if is_poison(lost):
            outbox.quarantine(connection, row.id, lost, now)
    poisoned = {row.id for row in started if is_poison(row.lost_leases + 1)}
    table = Delivery.__table__
    back = [row for row in rows if row.id not in poisoned]
    for was_started in (True, False):
        ids = [row.id for row in back if bool(row.started) is was_started]
        if ids:
            connection.execute(
                table.update()
                .where(table.c.id.in_(ids))
                .values(
                    state=DeliveryState.PENDING,
                    lease_token=None,
                    lease_until=None,
                    started=False,
                    lost_leases=table.c.lost_leases + int(was_started),
                )
            )
    counts.add(connection, now, {"deliveries.dead": len(poisoned)})


def _note_unknown(connection: Connection, delivery_id: int, number: int, now: datetime) -> None:
    table = Attempt.__table__
    connection.execute(
        table.update()
        .where(
            table.c.delivery_id == delivery_id,
            table.c.number == number,
            table.c.verdict.is_(None),
        )
        .values(
            verdict=Verdict.UNKNOWN,
            last_at=now,
            answer="The worker ended in the middle of this attempt; it may have been sent.",
        )
    )
