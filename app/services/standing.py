"""Where directions stand, beside what their registration asks for: the query of all rules."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, case, literal, select

from app.domain.kinds import Direction
from app.domain.notifying import Rules
from app.models import (
    Integration,
    IntegrationDirection,
    Lane,
    Registration,
    RegistrationDirection,
)

# Where backward has the same settings, those of forward hold.
_SETTINGS_OF = case(
    (
        Registration.same_for_backward,
        literal(Direction.FORWARD, RegistrationDirection.direction.type),
    ),
    else_=IntegrationDirection.direction,
)
RULES = (
    Registration.system_id,
    Registration.tell_recovery,
    Registration.registered_at,
    Lane.id.label("lane_id"),
    RegistrationDirection.global_enabled,
    RegistrationDirection.immediately,
    RegistrationDirection.failure_count,
    RegistrationDirection.processing_enabled,
    RegistrationDirection.before_max_retries,
    RegistrationDirection.no_activity_minutes,
)


def directions(*columns: Any) -> Select[Any]:
    """Return the SELECT of `columns` and RULES over all directions, registered or not.

    In order of id; whoever changes a direction locks its row, under which it is counted.
    """
    registered = and_(Registration.integration_id == Integration.id, Registration.active)
    settings = and_(
        RegistrationDirection.registration_id == Registration.id,
        RegistrationDirection.direction == _SETTINGS_OF,
    )
    return (
        select(*columns, *RULES)
        .join_from(
            IntegrationDirection, Integration, Integration.id == IntegrationDirection.integration_id
        )
        .outerjoin(Registration, registered)
        .outerjoin(RegistrationDirection, settings)
        .outerjoin(Lane, and_(Lane.system_id == Registration.system_id, Lane.row.is_(None)))
        .order_by(IntegrationDirection.id)
    )


def rules_of(row: Any) -> Rules | None:
    """Return the rules in a row of `directions`; None where it is not registered."""
    if row.lane_id is None or row.global_enabled is None:
        return None
    return Rules(
        global_enabled=row.global_enabled,
        immediately=row.immediately,
        failure_count=row.failure_count,
        processing_enabled=row.processing_enabled,
        before_max_retries=row.before_max_retries,
    )
