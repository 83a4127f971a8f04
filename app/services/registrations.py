"""Registrations: who is told of the failures of an integration, and when (S1; product.md 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Connection, and_, select
from sqlalchemy.orm import Session, selectinload

from app.domain.kinds import DeliveryKind, Direction, EndReason
from app.errors import Fault, Invalid, NotFound
from app.models import Delivery, Integration, IntegrationDirection, Lane, Registration, System
from app.services import outbox, systems
from app.services.integrations import INTEGRATIONS, lock_directions
from app.services.named import Change, Collection, Document, moment
from app.services.registration_shape import RegistrationBody, configured, put, settings
from app.services.sql import among

# What a registration sends; routed events and tests of the integration are not its own.
KINDS = (
    DeliveryKind.FAILURE,
    DeliveryKind.DIGEST,
    DeliveryKind.INACTIVITY,
    DeliveryKind.RECOVERY,
)


class Registrations(Collection[Registration, RegistrationBody]):
    """Registrations by the key of their integration; those that were unregistered are not there."""

    kind: ClassVar[str] = "registration"
    path: ClassVar[str] = "/registrations"
    key: ClassVar[str] = "integration"
    actions: ClassVar[tuple[str, str, str]] = ("register", "update", "unregister")
    shape = RegistrationBody

    def find(self, session: Session, name: str, *, lock: bool = False) -> Registration | None:
        """Return the registration of the integration of key `name`."""
        row = _stored(session, name, lock=lock)
        return row if row is not None and row.active else None

    def rows(self, session: Session, before: int | None, limit: int) -> Sequence[Registration]:
        """Return registrations, newest first."""
        query = select(Registration).where(Registration.active)
        query = query.order_by(Registration.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Registration.id < before)
        found = session.scalars(query.options(selectinload(Registration.directions))).all()
        _read_names(session, found)
        return found

    def body(self, session: Session, row: Registration) -> Document:
        """Return the registration as it is configured."""
        return {
            "integration": session.get_one(Integration, row.integration_id).key,
            "system": session.get_one(System, row.system_id).name,
            **configured(row),
        }

    def extras(self, session: Session, row: Registration) -> Document:
        """Return since when it is registered."""
        return {"registeredAt": moment(row.registered_at)}

    def address(self, session: Session, name: str) -> None:
        """Check that there is an integration to register; raises NotFound."""
        if INTEGRATIONS.find(session, name) is None:
            raise INTEGRATIONS.missing(name)

    def missing(self, name: str) -> NotFound:
        """Return the error of an integration that is not registered."""
        return NotFound(f"The integration {name!r} is not registered.")

    def store(
        self, change: Change, name: str, row: Registration | None, body: RegistrationBody
    ) -> Registration:
        """Check and store; one that was unregistered is revived, and what waits is re-addressed."""
        session = change.session
        integration, system = _checked(session, name, body)
        lock_directions(session, integration.id)
        same = body.same_for_backward or not integration.bidirectional
        if row is None:
            watch_anew(session.connection(), [integration.id])
        row = row or _stored(session, name, lock=True) or _new(change, integration)
        values = {} if row.active else begun(change.now)
        for column, value in (values | settings(body, system.id, same=same)).items():
            setattr(row, column, value)
        put(row, Direction.FORWARD, body.forward)
        put(row, Direction.BACKWARD, None if same else body.backward)
        session.flush()
        readdress(session.connection(), [integration.id], system.id)
        return row

    def remove(self, change: Change, row: Registration) -> None:
        """Unregister: what waits is cancelled, the settings stay as those of a new registration."""
        session = change.session
        lock_directions(session, row.integration_id)
        row.active, row.unregistered_at, row.updated_at = False, change.now, change.now
        session.flush()
        mine = own(Delivery.integration_id == row.integration_id)
        outbox.cancel_where(session.connection(), mine, EndReason.UNREGISTERED)


REGISTRATIONS = Registrations()


def _read_names(session: Session, rows: Sequence[Registration]) -> None:
    """Read what a page of registrations names in two statements, and hold it for the session."""
    integrations = select(Integration).where(Integration.id.in_(row.integration_id for row in rows))
    named = select(System).where(System.id.in_({row.system_id for row in rows}))
    session.info["named"] = [*session.scalars(integrations), *session.scalars(named)]


def own(whose: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition of those deliveries of `whose` that a registration has made."""
    return and_(whose, Delivery.kind.in_(KINDS))


def watch_anew(connection: Connection, integration_ids: Sequence[int]) -> None:
    """Let whoever registers these now be told of a silence that goes on."""
    table = IntegrationDirection.__table__
    connection.execute(
        table.update()
        .where(among(connection, table.c.integration_id, integration_ids))
        .values(silent_episode=None, told_delivery_id=None)
    )


def begun(now: datetime) -> dict[str, Any]:
    """Return what registering writes, the first time and again, besides the settings."""
    return {"active": True, "registered_at": now, "unregistered_at": None, "updated_at": now}


def _stored(session: Session, key: str, *, lock: bool) -> Registration | None:
    query = (
        select(Registration)
        .join(Integration, Integration.id == Registration.integration_id)
        .where(Integration.key == key)
    )
    return session.scalar(query.with_for_update(of=Registration) if lock else query)


def _checked(session: Session, key: str, body: RegistrationBody) -> tuple[Integration, System]:
    """Return what the body names; raises Invalid, with every fault."""
    faults = []
    integration = INTEGRATIONS.find(session, key)
    system, problem = systems.for_mail(session, body.system)
    if integration is None:
        faults.append(Fault("/integration", f"there is no integration {key!r}"))
    elif integration.bidirectional and not body.same_for_backward and body.backward is None:
        faults.append(Fault("/backward", "is required where sameForBackward is false"))
    if problem:
        faults.append(Fault("/system", problem))
    if faults or integration is None or system is None:
        raise Invalid(faults)
    return integration, system


def _new(change: Change, integration: Integration) -> Registration:
    row = Registration(integration_id=integration.id, created_at=change.now, **begun(change.now))
    change.session.add(row)
    return row


def readdress(connection: Connection, integration_ids: Sequence[int], system_id: int) -> None:
    """Move what waits to the lane of the system that is named now (product.md 5, Saving).

    Recipients need no copy: they are read when a mail is claimed. In the caller's transaction.
    """
    lane = connection.scalar(select(Lane.id).where(Lane.system_id == system_id, Lane.row.is_(None)))
    table, whose = Delivery.__table__, among(connection, Delivery.integration_id, integration_ids)
    connection.execute(
        table.update()
        .where(own(whose), outbox.cancellable(), Delivery.lane_id != lane)
        .values(
            system_id=system_id,
            lane_id=lane,
            state="pending",
            lease_token=None,
            lease_until=None,
        )
    )
