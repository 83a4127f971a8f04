"""The recipients of deliveries: what was said of each, and those who have not been asked yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection, select

from app.domain.kinds import FINAL_STATES, DeliveryKind, Direction, Kind, RecipientState
from app.domain.registration import Recipients, direction_settings
from app.models import DeliveryRecipient, Registration, RegistrationDirection
from app.services.documents import Document

_TELLS = {
    DeliveryKind.FAILURE: Kind.GLOBAL,
    DeliveryKind.DIGEST: Kind.PROCESSING,
    DeliveryKind.INACTIVITY: Kind.GLOBAL,
    DeliveryKind.RECOVERY: Kind.GLOBAL,
}


class Recipient(Document):
    """One address of a mail; `code` is the reply of its server, null without one."""

    address: str
    role: Literal["to", "cc"]
    state: RecipientState
    code: int | None
    text: str | None


Found = dict[int, list[Recipient]]
_Settings = dict[tuple[int, Direction], Any]


def recipients_of(connection: Connection, deliveries: Sequence[Any]) -> Found:
    """Return the recipients of each delivery, by its id.

    To those with a verdict come, while the delivery may still go, the registration's recipients of
    this moment: they are read when a mail is claimed (delivery.md, Tables).
    """
    found = _asked(connection, [row.id for row in deliveries])
    waiting = [row for row in deliveries if row.state not in FINAL_STATES]
    settings = _settings(connection, waiting)
    for row in waiting:
        known = {recipient.address for recipient in found[row.id]}
        found[row.id] += [one for one in _expected(settings, row) if one.address not in known]
    return found


def _asked(connection: Connection, ids: Sequence[int]) -> Found:
    table = DeliveryRecipient
    query = (
        select(table.delivery_id, table.address, table.role, table.state, table.code, table.text)
        .where(table.delivery_id.in_(ids))
        .order_by(table.delivery_id, table.role.desc(), table.address)
    )
    found: Found = defaultdict(list)
    for row in connection.execute(query):
        found[row.delivery_id].append(
            Recipient(
                address=row.address,
                role=row.role,
                state=row.state,
                code=row.code or None,
                text=row.text or None,
            )
        )
    return found


def _settings(connection: Connection, deliveries: Sequence[Any]) -> _Settings:
    """Read what the registrations say; where backward has the same, that is forward's."""
    integrations = {row.integration_id for row in deliveries if row.integration_id is not None}
    if not integrations:
        return {}
    query = (
        select(
            RegistrationDirection.__table__,
            Registration.integration_id,
            Registration.same_for_backward,
        )
        .join(Registration, Registration.id == RegistrationDirection.registration_id)
        .where(Registration.integration_id.in_(integrations), Registration.active)
    )
    rows = connection.execute(query).all()
    found: _Settings = {(row.integration_id, row.direction): row for row in rows}
    for row in rows:
        if row.same_for_backward and row.direction is Direction.FORWARD:
            found[row.integration_id, Direction.BACKWARD] = row
    return found


def _expected(settings: _Settings, delivery: Any) -> list[Recipient]:
    kind = _TELLS.get(delivery.kind)
    row = settings.get((delivery.integration_id, delivery.direction))
    if kind is None or row is None:
        return []
    people: Recipients = direction_settings(row).recipients_of(kind)
    return [
        *(_pending(address, "to") for address in people.to),
        *(_pending(address, "cc") for address in people.cc),
    ]


def _pending(address: str, role: Literal["to", "cc"]) -> Recipient:
    return Recipient(address=address, role=role, state=RecipientState.PENDING, code=None, text=None)
