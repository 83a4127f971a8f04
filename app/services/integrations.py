"""Integrations and their directions: configured here, and made when first reported of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import Session, selectinload

from app.domain.kinds import Direction, FailureState, Kind
from app.errors import InUse, Use
from app.models import IS_OPEN, Delivery, Failure, Integration, IntegrationDirection, Registration
from app.services import configuring, removal
from app.services.configuring import Condition
from app.services.installation import Installation
from app.services.integration_shape import (
    DEFAULT_RETRIES,
    DirectionBody,
    IntegrationBody,
    configured,
    standing,
)
from app.services.named import Change, Collection, Document, dotted, path_to, version
from app.services.sql import among, chunks, insert_missing

_NOTHING_TOLD = {
    "told_episode": None,
    "told_delivery_id": None,
    "notified_at": None,
    "notified_delivery_id": None,
}


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

    def unusable(self, name: str) -> str | None:
        """Only the API has the key in its addresses."""
        return dotted(name)

    def rows(self, session: Session, before: int | None, limit: int) -> Sequence[Integration]:
        """Return integrations, newest first."""
        query = select(Integration).order_by(Integration.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Integration.id < before)
        return session.scalars(query.options(selectinload(Integration.directions))).all()

    def body(self, session: Session, row: Integration) -> Document:
        """Return the integration as it is configured."""
        return configured(row)

    def extras(self, session: Session, row: Integration) -> Document:
        """Return where each direction stands, and the registration."""
        return {**standing(row), "usedBy": [vars(use) for use in _used_by(session, row)]}

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
        other = body.backward or DirectionBody()
        _activate(forward, body.forward.status == "active", change.now)
        _activate(backward, body.bidirectional and other.status == "active", change.now)
        change.session.flush()
        return row

    def remove(self, change: Change, row: Integration) -> None:
        """Delete an integration that is not registered, with its failures; raises InUse.

        What waits for it is cancelled; its deliveries stay as history.
        """
        session = change.session
        _refuse_registered(session, row)
        lock_directions(session, row.id)
        removal.cancel_waiting(session, row.id)
        while removal.delete_some(session, row.id):
            pass
        removal.delete_registration(session, row.id)
        session.delete(row)
        session.flush()


INTEGRATIONS = Integrations()


def delete(site: Installation, actor: str, key: str, condition: Condition | None = None) -> None:
    """Delete the integration of `key`; raises NotFound, InUse, Stale.

    Its failures go in bounded transactions before the last one, so that no writer waits long.
    Killed in between, it is there with fewer failures; deleting it again goes on.
    """

    def some(change: Change) -> bool:
        row = INTEGRATIONS.find(change.session, key, lock=True)
        if row is None:
            return False
        if condition is not None:
            condition(version(row))
        _refuse_registered(change.session, row)
        return removal.delete_some(change.session, row.id)

    while configuring.run(site, actor, some):
        pass
    configuring.delete(INTEGRATIONS, site, actor, key, condition)


def make_unknown(connection: Connection, keys: Sequence[str], now: datetime) -> None:
    """Make the integrations of `keys` that are not there: active, both ways, named like the key.

    In the caller's transaction. Harmless when another process does the same at this moment; `keys`
    must be sorted, as PostgreSQL locks the rows in that order.
    """
    table, directions = Integration.__table__, IntegrationDirection.__table__
    made = {
        "system1": "",
        "system2": "",
        "bidirectional": True,
        "max_retry_count": DEFAULT_RETRIES,
        "created_at": now,
        "updated_at": now,
    }
    rows = [{"key": key, "name": key, **made} for key in keys]
    insert_missing(connection, table, rows)
    for part in chunks(keys):
        ids = connection.scalars(
            select(table.c.id).where(table.c.key.in_(part)).order_by(table.c.id)
        )
        pairs = [(one, direction) for one in ids for direction in Direction]
        insert_missing(
            connection,
            directions,
            [
                {"integration_id": one, "direction": direction, **_fresh(now)}
                for one, direction in pairs
            ],
        )


def lock_directions(session: Session, *integration_ids: int) -> None:
    """Keep reports of the integrations out until the commit (PostgreSQL; in intake's order)."""
    direction = IntegrationDirection
    session.execute(
        select(direction.id)
        .where(among(session.connection(), direction.integration_id, integration_ids))
        .order_by(direction.id)
        .with_for_update()
    )


def _fresh(now: datetime) -> dict[str, Any]:
    counters = dict.fromkeys(("count", "occurrences", "episode"), 0)
    return {"active": True, "activated_at": now, **counters}


def _new(change: Change, key: str) -> Integration:
    row = Integration(key=key, created_at=change.now, updated_at=change.now)
    row.directions = [
        IntegrationDirection(direction=direction, **_fresh(change.now)) for direction in Direction
    ]
    change.session.add(row)
    return row


def _activate(row: IntegrationDirection, active: bool, now: datetime) -> None:
    """Switch a direction; what failed while it was inactive counts for nothing afterwards."""
    if active and not row.active:
        row.activated_at = now
        row.count = row.occurrences = 0
        row.episode_since = row.silent_episode = row.told_delivery_id = None
    row.active = active


def _tell_again(session: Session, row: Integration) -> None:
    """Let its open processing failures be told by the new max retry count (product.md 4).

    What a waiting mail tells stays with it: that mail goes anyway.
    """
    table = Failure.__table__
    waiting = select(Delivery.id).where(IS_OPEN, Delivery.integration_id == row.id)
    session.execute(
        update(table)
        .where(
            table.c.integration_id == row.id,
            table.c.kind == Kind.PROCESSING,
            table.c.state == FailureState.OPEN,
            table.c.max_retry_count == row.max_retry_count,
            table.c.told_delivery_id.not_in(waiting),
        )
        .values(_NOTHING_TOLD)
    )


def _refuse_registered(session: Session, row: Integration) -> None:
    found = _used_by(session, row)
    if found:
        message = f"The integration {row.key!r} is registered: unregister it before."
        raise InUse(message, found)


def _used_by(session: Session, row: Integration) -> list[Use]:
    mine = (Registration.integration_id == row.id, Registration.active)
    if session.scalar(select(Registration.id).where(*mine)) is None:
        return []
    return [Use("registration", row.key, path_to("/registrations", row.key))]
