"""Taking an integration away: its failures, cycles and old registration; its deliveries stay."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from app.domain.kinds import EndReason
from app.models import (
    IS_OPEN,
    CountedCycle,
    Delivery,
    DeliveryItem,
    Failure,
    IntegrationDirection,
    Registration,
    RegistrationDirection,
)
from app.services import outbox
from app.services.sql import CHUNK


def cancel_waiting(session: Session, integration_id: int) -> None:
    """Cancel what waits for the integration; what is being sent at this moment is left alone."""
    mine = Delivery.integration_id == integration_id
    outbox.cancel_where(session.connection(), mine, EndReason.REMOVED)


def delete_some(session: Session, integration_id: int) -> bool:
    """Delete a bounded number of failures and cycles; return whether there may be more."""
    failures = _delete_failures(session, integration_id)
    cycles = _delete_cycles(session, integration_id)
    return max(failures, cycles) == CHUNK


def delete_registration(session: Session, integration_id: int) -> None:
    """Delete the settings of an integration that is not registered any more."""
    mine = select(Registration.id).where(Registration.integration_id == integration_id)
    settings = RegistrationDirection
    session.execute(delete(settings).where(settings.registration_id.in_(mine)))
    session.execute(delete(Registration).where(Registration.integration_id == integration_id))


def _delete_failures(session: Session, integration_id: int) -> int:
    query = select(Failure.id).where(Failure.integration_id == integration_id).limit(CHUNK)
    ids = session.scalars(query).all()
    if ids:
        session.execute(delete(DeliveryItem).where(DeliveryItem.failure_id.in_(ids)))
        session.execute(delete(Failure).where(Failure.id.in_(ids)))
        _count_anew(session, integration_id)
    return len(ids)


def _count_anew(session: Session, integration_id: int) -> None:
    """Let the mails that were being sent, and may wait again, count what they still tell."""
    left = select(func.count()).where(DeliveryItem.delivery_id == Delivery.id).scalar_subquery()
    mine = update(Delivery).where(Delivery.integration_id == integration_id, IS_OPEN)
    session.execute(mine.values(item_count=left))


def _delete_cycles(session: Session, integration_id: int) -> int:
    table: Table | Any = CountedCycle.__table__
    key = tuple_(table.c.direction_id, table.c.cycle_id, table.c.episode)
    directions = select(IntegrationDirection.id).where(
        IntegrationDirection.integration_id == integration_id
    )
    some = select(*key.clauses).where(table.c.direction_id.in_(directions)).limit(CHUNK)
    result: Any = session.connection().execute(table.delete().where(key.in_(some)))
    return int(result.rowcount)
