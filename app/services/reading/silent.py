"""Which integrations are silent for longer than their registration allows, as the pass sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Select, and_, func, or_, select, type_coerce

from app.clock import to_micros
from app.domain.kinds import Direction
from app.models import IntegrationDirection, Registration, RegistrationDirection


def integrations(now: datetime) -> Select[Any]:
    """Return the SELECT of their ids at `now`."""
    told, direction = RegistrationDirection, IntegrationDirection
    limit = type_coerce(told.no_activity_minutes, BigInteger) * 60_000_000
    passed = to_micros(now) - limit
    clocks = (direction.activated_at, Registration.registered_at, direction.last_activity_at)
    mine = or_(
        direction.direction == told.direction,
        and_(Registration.same_for_backward, told.direction == Direction.FORWARD),
    )
    return (
        select(direction.integration_id)
        .distinct()
        .join_from(told, Registration, Registration.id == told.registration_id)
        .join(direction, and_(direction.integration_id == Registration.integration_id, mine))
        .where(told.global_enabled, told.no_activity_minutes.is_not(None))
        .where(Registration.active, direction.active)
        .where(*(func.coalesce(type_coerce(one, BigInteger), 0) < passed for one in clocks))
    )
