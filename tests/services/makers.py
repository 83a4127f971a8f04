"""What the tests of the configuration make: systems, integrations, registrations, waiting mail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select

from app.clock import utc_now
from app.domain.kinds import DeliveryKind, DeliveryState, Direction, ErrorType, FailureState, Kind
from app.models import Audit, Delivery, DeliveryItem, Failure, Integration, Lane, System
from app.queueing import Alarm
from app.services import configuring
from app.services.installation import Installation
from app.services.integration_shape import IntegrationBody
from app.services.integrations import INTEGRATIONS
from app.services.named import Saved
from app.services.registration_shape import RegistrationBody
from app.services.registrations import REGISTRATIONS
from app.services.systems import SYSTEMS, SystemBody
from app.shapes import parse

ACTOR = "a test"
OPTIONS = {"server": "mail.example", "senderEmail": "tocsin@corp.example"}
NO_LOGIN = {**OPTIONS, "authenticationRequired": False}


def system_body(**fields: Any) -> SystemBody:
    """Return the body of a mail system without login, or with `fields`."""
    return parse(SystemBody, {"kind": "smtp", "options": NO_LOGIN, **fields})


def put_system(site: Installation, name: str = "Mail", **fields: Any) -> Saved:
    """Make or replace a system."""
    return configuring.replace(SYSTEMS, site, ACTOR, name, system_body(**fields))


def put_integration(site: Installation, key: str = "jira", **fields: Any) -> Saved:
    """Make or replace an integration."""
    body = parse(IntegrationBody, fields)
    return configuring.replace(INTEGRATIONS, site, ACTOR, key, body)


def register(site: Installation, key: str = "jira", system: str = "Mail", **fields: Any) -> Saved:
    """Register an integration, by default with one recipient."""
    forward = {"recipients": ["ops@corp.example"]}
    body = parse(RegistrationBody, {"system": system, "forward": forward, **fields})
    return configuring.replace(REGISTRATIONS, site, ACTOR, key, body)


def unregister(site: Installation, key: str = "jira") -> None:
    """Unregister an integration."""
    configuring.delete(REGISTRATIONS, site, ACTOR, key)


def set_up(site: Installation) -> None:
    """Make the system Mail and the integration jira, registered."""
    put_system(site)
    put_integration(site)
    register(site)


def audited(site: Installation) -> list[Any]:
    """Return the audit log, oldest first."""
    with site.store.reading() as connection:
        return list(connection.execute(select(Audit.__table__).order_by(Audit.id)))


def lane_of(site: Installation, name: str = "Mail") -> Any:
    """Return the one lane of a system."""
    query = select(Lane.__table__).join(System, System.id == Lane.system_id)
    with site.store.reading() as connection:
        return connection.execute(query.where(System.name == name)).one()


def waiting_mail(site: Installation, key: str = "jira", system: str = "Mail", **values: Any) -> int:
    """Add a mail of the registration that waits for the pass; return its id."""
    lane, table = lane_of(site, system), Delivery.__table__
    row = {
        "kind": DeliveryKind.DIGEST,
        "state": DeliveryState.PENDING,
        "system_id": lane.system_id,
        "lane_id": lane.id,
        "direction": Direction.FORWARD,
        "why": "early",
        "why_text": "A test.",
        "item_count": 1,
        "reported_at": utc_now(),
        "created_at": utc_now(),
        "confirmed": False,
        "started": False,
        **dict.fromkeys(("attempt_count", "retries_used", "lost_leases"), 0),
    }
    with site.store.writing() as connection:
        integration = connection.scalar(select(Integration.id).where(Integration.key == key))
        statement = table.insert().values(row | {"integration_id": integration} | values)
        return int(connection.scalar(statement.returning(table.c.id)) or 0)


def failures(site: Installation, number: int, key: str = "jira", **values: Any) -> list[int]:
    """Add open processing failures of the forward direction; return their ids."""
    table = Failure.__table__
    row = {
        "error_type": ErrorType.INTEGRATION,
        "kind": Kind.PROCESSING,
        "state": FailureState.OPEN,
        "message": "it failed",
        "accessible": True,
        "count": 1,
        "first_logged_at": utc_now(),
        "last_logged_at": utc_now(),
        "episode": 1,
        "max_retry_count": 3,
    }
    with site.store.writing() as connection:
        integration = connection.scalar(select(Integration.id).where(Integration.key == key))
        start = connection.scalar(select(func.coalesce(func.max(table.c.id), 0))) or 0
        rows = [
            row
            | {"identity": (start + n).to_bytes(32, "big"), "integration_id": integration}
            | values
            for n in range(1, number + 1)
        ]
        connection.execute(table.insert(), rows)
        query = select(table.c.id).where(table.c.id > start).order_by(table.c.id)
        return list(connection.scalars(query))


def tells(site: Installation, delivery_id: int, failure_ids: Iterable[int]) -> None:
    """Let a delivery tell failures."""
    with site.store.writing() as connection:
        rows = [{"delivery_id": delivery_id, "failure_id": one} for one in failure_ids]
        connection.execute(DeliveryItem.__table__.insert(), rows)
        connection.execute(
            Failure.__table__.update()
            .where(Failure.__table__.c.id.in_(failure_ids))
            .values(told_delivery_id=delivery_id, told_episode=1)
        )


def row_of(site: Installation, model: Any, row_id: int) -> Any:
    """Return one row, or None."""
    with site.store.reading() as connection:
        query = select(model.__table__).where(model.__table__.c.id == row_id)
        return connection.execute(query).one_or_none()


def count_of(site: Installation, model: Any) -> int:
    """Return how many rows a table has."""
    with site.store.reading() as connection:
        return connection.scalar(select(func.count()).select_from(model.__table__)) or 0


class Bells(Alarm):
    """An alarm clock that notes whom it wakes."""

    def __init__(self, site: Installation) -> None:
        super().__init__(site.settings)
        self.rung: list[str] = []

    def wake(self, names: Iterable[str]) -> bool:
        """Note the names."""
        self.rung += names
        return True


def with_bells(site: Installation) -> tuple[Installation, Bells]:
    """Return the installation with an alarm clock that notes whom it wakes."""
    bells = Bells(site)
    return replace(site, alarm=bells), bells
