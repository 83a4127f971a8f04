"""Systems that cannot deliver, as the message through their fallback system tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select
from sqlalchemy.orm import aliased

from app.domain.kinds import DeliveryState
from app.models import Delivery, Lane, Registration, RegistrationDirection, System
from app.services.deliver.claims import Claimed

MOST_RECIPIENTS = 50
MOST_REGISTRATIONS = 200

# What was claimed with the mail that failed waits as well.
_UNSENT = (DeliveryState.PENDING, DeliveryState.LEASED)
_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_WAITING = aliased(Delivery)
_OUTAGE = (
    select(
        System.id,
        System.name,
        System.options,
        Lane.id.label("lane_id"),
        Lane.state,
        Lane.since,
        Lane.error_text,
        select(func.count())
        .where(_WAITING.lane_id == Lane.id, _WAITING.state.in_(_UNSENT))
        .correlate(Lane)
        .scalar_subquery()
        .label("waiting"),
    )
    .join_from(System, Lane, (Lane.system_id == System.id) & Lane.row.is_(None))
    .where(System.id.in_(_IDS))
)


# The registrations whose mail waits in the lane of a failing system.
_WAITS_FOR = (
    select(RegistrationDirection.recipients)
    .join(Registration, Registration.id == RegistrationDirection.registration_id)
    .where(
        Registration.active,
        Registration.integration_id.in_(
            select(Delivery.integration_id).where(
                Delivery.lane_id == bindparam("lane"), Delivery.state.in_(_UNSENT)
            )
        ),
    )
    .order_by(Registration.id)
    .limit(MOST_REGISTRATIONS)
)


@dataclass(frozen=True)
class Outage:
    """A system that cannot deliver, and the people whose mail waits for it."""

    row: Any
    waiting_for: tuple[str, ...]


def outages_of(connection: Connection, claims: Sequence[Claimed]) -> dict[int, Outage]:
    """Read the systems that the fallback messages of `claims` are about."""
    ids = {claimed.about_system_id for claimed in claims}
    rows = connection.execute(_OUTAGE, {"ids": list(ids)}).all()
    return {row.id: Outage(row, _waiting_for(connection, row.lane_id)) for row in rows}


def _waiting_for(connection: Connection, lane_id: int) -> tuple[str, ...]:
    lists = connection.scalars(_WAITS_FOR, {"lane": lane_id})
    return tuple(dict.fromkeys(address for one in lists for address in one))[:MOST_RECIPIENTS]
