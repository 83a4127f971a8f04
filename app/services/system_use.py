"""What uses a system, and how the system does: read for answers, and before it is deleted."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.kinds import DeliveryKind, DeliveryState, LaneState
from app.domain.routing import TITLES
from app.errors import Use
from app.models import (
    IS_LEASED,
    IS_OPEN,
    IS_PENDING,
    IS_STORED,
    IS_TEST,
    Delivery,
    Integration,
    Lane,
    Preference,
    Registration,
    System,
)
from app.services import routing
from app.services.named import MOST_USES, Document, moment, path_to, uses

# The setting that names the system for mails of Tocsin itself, by id.
OWN_MAIL = "smtpSystemId"
RECENT = 20_000
# What is open in a lane, one condition each: each of them has its partial index.
OPEN = (IS_PENDING, IS_LEASED, IS_STORED)
ROUTES = "/routes"


def _or_null(schema: Document) -> Document:
    return {"anyOf": [schema, {"type": "null"}]}


# How answers describe it.
HEALTH = {
    "state": {"type": "string", "enum": ["ok", "failing", "unknown"]},
    "lastDeliveryAt": _or_null({"type": "string", "format": "date-time"}),
    "lastError": _or_null({"type": "object"}),
}


def used_by(session: Session, row: System) -> list[Use]:
    """Return what is configured to use the system."""
    return [
        *_registrations(session, row),
        *_routes(session, row),
        *_fallbacks(session, row),
        *_own_mail(session, row),
    ]


def _registrations(session: Session, row: System) -> list[Use]:
    mine = (Registration.system_id == row.id, Registration.active)
    total = session.scalar(select(func.count()).select_from(Registration).where(*mine)) or 0
    keys = session.scalars(
        select(Integration.key)
        .join(Registration, Registration.integration_id == Integration.id)
        .where(*mine)
        .order_by(Integration.key)
        .limit(MOST_USES)
    )
    return uses("registration", "/registrations", keys.all(), total)


def _routes(session: Session, row: System) -> list[Use]:
    """Return the cells that name the system, and the sources with a retry policy for it."""
    latest = routing.latest(session.connection())
    if latest is None:
        return []
    url, cells = path_to(ROUTES), routing.matrix_of(latest.document).cells
    found = [
        Use("route", f"{TITLES[source]} / {severity}", url)
        for (source, severity), cell in cells.items()
        if row.id in cell.systems
    ]
    policies = routing.policies_of(latest.document)
    own = [source for source, system_id in policies if system_id == row.id]
    return [*found, *(Use("subscription", TITLES[source], url) for source in own)]


def is_routed(session: Session, row: System) -> bool:
    """Return whether the system stands in a cell of the matrix."""
    return any(use.kind == "route" for use in _routes(session, row))


def _fallbacks(session: Session, row: System) -> list[Use]:
    query = select(System.name).where(System.fallback_id == row.id).order_by(System.name)
    names = session.scalars(query).all()
    return uses("system", "/systems", names, len(names))


def _own_mail(session: Session, row: System) -> list[Use]:
    if session.scalar(select(Preference.value).where(Preference.name == OWN_MAIL)) != row.id:
        return []
    return [Use("settings", "smtpSystemForNotification", path_to("/settings"))]


def waiting(session: Session, row: System) -> list[Use]:
    """Return one line that counts the deliveries which still wait for the system."""
    counted = select(func.count()).select_from(Delivery)
    mine = Delivery.lane_id.in_(select(Lane.id).where(Lane.system_id == row.id))
    lanes = [counted.where(mine, state) for state in OPEN]
    # A test goes beside the lanes.
    tests = counted.where(
        IS_TEST, IS_OPEN, Delivery.system_id == row.id, Delivery.lane_id.is_(None)
    )
    number = sum(session.scalar(query) or 0 for query in (*lanes, tests))
    return [Use("delivery", f"{number:,} waiting", path_to("/deliveries"))] if number else []


def health(session: Session, row: System) -> Document:
    """Return how the system does: failing while a lane of it is retrying, unknown before all."""
    lanes = session.scalars(select(Lane).where(Lane.system_id == row.id)).all()
    delivered_at = _last_delivery(session, row)
    failing = any(lane.state is LaneState.RETRYING for lane in lanes)
    errors = sorted((lane.error_at, lane.id, lane) for lane in lanes if lane.error_at)
    return {
        "state": "failing" if failing else "ok" if delivered_at else "unknown",
        "lastDeliveryAt": delivered_at,
        "lastError": _error(errors[-1][2]) if errors else None,
    }


def _error(lane: Lane) -> Document:
    return {"reason": lane.error_reason, "text": lane.error_text, "at": moment(lane.error_at)}


def _last_delivery(session: Session, row: System) -> str | None:
    """Return when the system last took one of the newest deliveries of all.

    Walks them from the newest on: an index only for this line would cost each delivery.
    """
    newest = session.scalar(select(func.max(Delivery.id))) or 0
    query = (
        select(Delivery.finished_at)
        .where(
            Delivery.id > newest - RECENT,
            Delivery.system_id == row.id,
            Delivery.state == DeliveryState.DELIVERED,
            # A test may have gone to another server, unsaved.
            Delivery.kind != DeliveryKind.TEST,
        )
        .order_by(Delivery.id.desc())
        .limit(1)
    )
    return moment(session.scalar(query))
