"""Integrations and their directions: configured here, and made when first reported of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from sqlalchemy import Connection, delete, select, tuple_, update
from sqlalchemy.orm import Session, selectinload

from app.domain.kinds import DeliveryState, Direction, EndReason, FailureState, Kind
from app.errors import InUse, Use
from app.models import (
    CountedCycle,
    Delivery,
    DeliveryItem,
    Failure,
    Integration,
    IntegrationDirection,
    Registration,
    RegistrationDirection,
)
from app.services import configuring, outbox
from app.services.configuring import Condition
from app.services.installation import Installation
from app.services.named import (
    Answered,
    Change,
    Collection,
    Document,
    MaybeTimestamp,
    answered,
    moment,
    path_to,
)
from app.services.sql import CHUNK, chunks, insert_missing
from app.shapes import Shape, text, whole

DEFAULT_RETRIES = 3
MOST_RETRIES = 1000
_NOTHING_TOLD = {
    "told_episode": None,
    "told_delivery_id": None,
    "notified_at": None,
    "notified_delivery_id": None,
}

Line = Annotated[str, text(255, line=True)]
Key = Annotated[str, text(255, required=True, line=True)]


class DirectionBody(Shape):
    """One direction of an integration."""

    status: Literal["active", "inactive"] = Field(
        "active", description="Failures of an inactive direction are stored and not told."
    )
    activated_at: MaybeTimestamp = None
    last_activity_at: MaybeTimestamp = None
    last_failure_at: MaybeTimestamp = None
    count: answered(type="integer") = None  # type: ignore[valid-type]
    failing_since: MaybeTimestamp = None


class IntegrationBody(Answered):
    """A job that synchronises two systems of the customer."""

    key: Key | None = Field(None, description="May be left out where the path gives it.")
    name: Key | None = Field(None, description="Default: the key.")
    system1: Line = ""
    system2: Line = ""
    bidirectional: bool = True
    max_retry_count: Annotated[int, whole(0, MOST_RETRIES)] = Field(
        DEFAULT_RETRIES,
        description="A processing failure is told when it was retried as often; 0: at once.",
    )
    forward: DirectionBody = DirectionBody()
    backward: DirectionBody | None = Field(
        None, description="Ignored, and null in the answer, where it is not bidirectional."
    )


class Integrations(Collection[Integration, IntegrationBody]):
    """Integrations by key."""

    kind: ClassVar[str] = "integration"
    path: ClassVar[str] = "/integrations"
    key: ClassVar[str] = "key"
    shape = IntegrationBody

    def find(self, session: Session, name: str, *, lock: bool = False) -> Integration | None:
        """Return the integration of key `name`."""
        query = select(Integration).where(Integration.key == name)
        return session.scalar(query.with_for_update() if lock else query)

    def rows(self, session: Session, before: int | None, limit: int) -> Sequence[Integration]:
        """Return integrations, newest first."""
        query = select(Integration).order_by(Integration.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Integration.id < before)
        return session.scalars(query.options(selectinload(Integration.directions))).all()

    def body(self, session: Session, row: Integration) -> Document:
        """Return the integration as it is configured."""
        forward, backward = row.directions
        return {
            "key": row.key,
            "name": row.name,
            "system1": row.system1,
            "system2": row.system2,
            "bidirectional": row.bidirectional,
            "maxRetryCount": row.max_retry_count,
            "forward": _status(forward),
            "backward": _status(backward) if row.bidirectional else None,
        }

    def extras(self, session: Session, row: Integration) -> Document:
        """Return where each direction stands, and the registration."""
        forward, backward = row.directions
        return {
            "forward": _standing(forward),
            "backward": _standing(backward) if row.bidirectional else None,
            "usedBy": [vars(use) for use in _used_by(session, row)],
        }

    def store(
        self, change: Change, name: str, row: Integration | None, body: IntegrationBody
    ) -> Integration:
        """Store; a direction that becomes active starts its clock of silence now."""
        if row is None:
            row = _new(change, name)
        elif row.max_retry_count != body.max_retry_count:
            _tell_again(change.session, row)
        row.name = body.name or name
        row.system1, row.system2 = body.system1, body.system2
        row.bidirectional, row.max_retry_count = body.bidirectional, body.max_retry_count
        forward, backward = row.directions
        _activate(forward, body.forward, change.now)
        other = body.backward or DirectionBody()
        _activate(backward, other, change.now, possible=body.bidirectional)
        change.session.flush()
        return row

    def remove(self, change: Change, row: Integration) -> None:
        """Delete an integration that is not registered, with its failures; raises InUse.

        What waits for it is cancelled; its deliveries stay as history.
        """
        session = change.session
        _refuse_registered(session, row)
        lock_directions(session, row.id)
        removed = Delivery.integration_id == row.id
        outbox.cancel_where(session.connection(), removed, EndReason.REMOVED)
        while _delete_some(session, row):
            pass
        mine = select(Registration.id).where(Registration.integration_id == row.id)
        settings = RegistrationDirection
        session.execute(delete(settings).where(settings.registration_id.in_(mine)))
        session.execute(delete(Registration).where(Registration.integration_id == row.id))
        session.delete(row)
        session.flush()


INTEGRATIONS = Integrations()
