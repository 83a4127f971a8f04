"""Through which lane a delivery is sent again: by what it tells, and what a person asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from app.addresses import addresses
from app.domain.event_kinds import Row
from app.domain.kinds import DeliveryKind, Why
from app.errors import Conflict, Fault, Invalid
from app.models import DeliveryEvent, Event, Lane, Registration, System
from app.services import subscriptions
from app.services.registrations import KINDS
from app.services.systems import MAIL_KINDS


@dataclass(frozen=True)
class Way:
    """The system and the lane that a delivery goes through."""

    system_id: int
    lane_id: int


def told_by(parent: Any, *columns: Any) -> Select[Any]:
    """Return the SELECT of `columns` over the events that a delivery tells and that are there."""
    query = select(*columns).select_from(Event)
    if parent.event_id is not None:
        return query.where(Event.id == parent.event_id)
    batch = select(DeliveryEvent.event_id).where(DeliveryEvent.delivery_id == parent.id)
    return query.where(Event.id.in_(batch))


def invalid(pointer: str, message: str) -> Invalid:
    """Return the error of one fault."""
    return Invalid([Fault(pointer, message)])


def through(connection: Connection, parent: Any, wanted: str | None, now: datetime) -> Way:
    """Return how what follows `parent` goes: through the system `wanted`, by name, or the same.

    Where that is another HTTP system, the lane is made if there is none. Raises Conflict, Invalid.
    """
    if parent.kind in KINDS:
        return _of_registration(connection, parent, wanted)
    if parent.kind is DeliveryKind.FALLBACK:
        return _of_fallback(connection, parent, wanted)
    return _routed(connection, parent, wanted, now)


def _of_registration(connection: Connection, parent: Any, wanted: str | None) -> Way:
    """Its mail goes through the system that the registration names now, whatever it was then."""
    query = (
        select(System.id, System.name, Lane.id.label("lane_id"))
        .join(Registration, Registration.system_id == System.id)
        .join(Lane, (Lane.system_id == System.id) & Lane.row.is_(None))
        .where(Registration.integration_id == parent.integration_id, Registration.active)
    )
    row = connection.execute(query.with_for_update(read=True, of=System)).first()
    if row is None:
        raise invalid("", "tells of an integration that is not registered any more: register it")
    if wanted not in (None, row.name):
        raise invalid(
            "/system",
            f"must be {row.name!r}, which its registration names, or left out: change the "
            "registration to send its mail through another one",
        )
    return Way(row.id, row.lane_id)


def _of_fallback(connection: Connection, parent: Any, wanted: str | None) -> Way:
    if wanted not in (None, parent.system):
        raise invalid("/system", "must be left out: such a message goes through the same system")
    about = select(System.id).where(System.id == parent.about_system_id)
    if connection.scalar(about) is None:
        raise Conflict(f"The system of which delivery {parent.id} told was deleted.")
    system = _system(connection, parent, None)
    return Way(system.id, parent.lane_id)


def _routed(connection: Connection, parent: Any, wanted: str | None, now: datetime) -> Way:
    """Return the lane of an event: of the row that routed it, unless it is mail."""
    system = _system(connection, parent, wanted)
    if system.kind in MAIL_KINDS:
        if not addresses(system.options.get("toEmail") or ""):
            message = f"needs a To Email-Id: {system.name!r} has none, and the mail goes there"
            raise invalid("/system", message)
        lane = select(Lane.id).where(Lane.system_id == system.id, Lane.row.is_(None))
        lane_id = connection.scalars(lane).one()
    elif system.id == parent.system_id:
        lane_id = parent.lane_id
    else:
        row = _row_of(connection, parent)
        lane_id = subscriptions.lane_for(connection, row, system, now)
    return Way(system.id, lane_id)


def _system(connection: Connection, parent: Any, wanted: str | None) -> Any:
    """Return the system of that name, or of the parent; nobody deletes it before the commit."""
    which = System.id == parent.system_id if wanted is None else System.name == wanted
    columns = (System.id, System.name, System.kind, System.options, System.retry_policy)
    row = connection.execute(select(*columns).where(which).with_for_update(read=True)).first()
    if row is not None:
        return row
    if wanted is None:
        raise Conflict(
            f"The system of delivery {parent.id} was deleted: name another one to send it through."
        )
    raise invalid("/system", f"there is no system {wanted!r}")


def _row_of(connection: Connection, parent: Any) -> Row:
    """Return the row of the matrix that routed it; a mail, or a lane that is gone, says none."""
    if parent.row is not None:
        return Row(parent.row)
    if parent.why == Why.GLOBAL_CELL:
        return Row.GLOBAL
    source = told_by(parent, Event.source).order_by(Event.id).limit(1)
    return Row(connection.scalars(source).one())
