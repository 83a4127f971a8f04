"""Systems that cannot deliver, as the message through their fallback system tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, case, select, union

from app.domain.kinds import LaneState
from app.models import (
    IS_LEASED,
    IS_PENDING,
    Delivery,
    Lane,
    Registration,
    RegistrationDirection,
    System,
)
from app.services import waiting
from app.services.deliver.claims import Claimed

MOST_RECIPIENTS = 50
MOST_REGISTRATIONS = 200

_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_OUTAGE = (
    select(
        System.id,
        System.name,
        System.options,
        Lane.id.label("lane_id"),
        Lane.row,
        Lane.state,
        Lane.since,
        Lane.error_text,
    )
    .join_from(System, Lane, Lane.system_id == System.id)
    .where(System.id.in_(_IDS))
    # Of the lanes of a system that with the oldest trouble, or else that which works again last.
    .order_by(
        System.id,
        case((Lane.state == LaneState.RETRYING, 0), else_=1),
        case((Lane.state == LaneState.RETRYING, Lane.since), else_=-Lane.since),
        Lane.id,
    )
)


# Mail is never stored; what was claimed with the message that failed waits as well.
_UNSENT = union(
    *(
        select(Delivery.integration_id).where(Delivery.lane_id == bindparam("lane"), state)
        for state in (IS_PENDING, IS_LEASED)
    )
)
# The registrations whose mail waits in the lane of a failing system.
_WAITS_FOR = (
    select(RegistrationDirection.recipients)
    .join(Registration, Registration.id == RegistrationDirection.registration_id)
    .where(
        Registration.active,
        Registration.integration_id.in_(_UNSENT),
    )
    .order_by(Registration.id)
    .limit(MOST_REGISTRATIONS)
)


@dataclass(frozen=True)
class Outage:
    """A system that cannot deliver, the people whose mail waits for it, and how many wait."""

    row: Any
    waiting_for: tuple[str, ...]
    waiting: int


def outages_of(connection: Connection, claims: Sequence[Claimed]) -> dict[int, Outage]:
    """Read the systems that the fallback messages of `claims` are about."""
    ids = {claimed.about_system_id for claimed in claims}
    found: dict[int, Outage] = {}
    rows = connection.execute(_OUTAGE, {"ids": list(ids)}).all()
    left = waiting.in_lanes(connection, [row.lane_id for row in rows])
    for row in rows:
        count = left[row.lane_id].count if row.lane_id in left else 0
        if row.id in found:
            found[row.id] = replace(found[row.id], waiting=found[row.id].waiting + count)
        else:
            people = _waiting_for(connection, row.lane_id) if row.row is None else ()
            found[row.id] = Outage(row, people, count)
    return found


def _waiting_for(connection: Connection, lane_id: int) -> tuple[str, ...]:
    lists = connection.scalars(_WAITS_FOR, {"lane": lane_id})
    return tuple(dict.fromkeys(address for one in lists for address in one))[:MOST_RECIPIENTS]
