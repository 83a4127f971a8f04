"""The rows of registrations that are made in bulk: what registering one by one writes, for many.

A few statements however many they are, with the values of app/services/registrations.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, literal, select, update

from app.domain.kinds import Direction
from app.models import Integration, Registration, RegistrationDirection
from app.services.bulk_shape import BulkRegistrationBody
from app.services.integrations import lock_directions
from app.services.named import Change
from app.services.registration_shape import columns, settings
from app.services.registrations import begun, readdress, watch_anew
from app.services.sql import among

ALREADY = "already registered"
# Between two transactions of one piece of work: whoever waits for the write lock gets it then.
REST_SECONDS = 0.003
_FOUND = (
    select(
        Integration.id,
        Integration.key,
        Registration.id.label("registration_id"),
        Registration.active,
    )
    .outerjoin(Registration, Registration.integration_id == Integration.id)
    .order_by(Integration.id)
)


@dataclass(frozen=True)
class Wish:
    """What a bulk asks for; the system by its id, as it may be renamed meanwhile."""

    system_id: int
    body: BulkRegistrationBody


def register_some(change: Change, wish: Wish, keys: Sequence[str]) -> Mapping[str, str]:
    """Register those of `keys` that are there and not registered, in the transaction of `change`.

    Returns the others, each with the reason. One that was unregistered is revived.
    """
    connection = change.session.connection()
    found = standing(connection, keys)
    skipped = {row.key: ALREADY for row in found if row.active}
    skipped |= {key: missing(key) for key in {*keys}.difference(row.key for row in found)}
    chosen = [row for row in found if not row.active]
    lock_directions(change.session, *(row.id for row in chosen))
    watch_anew(connection, [row.id for row in chosen])
    _insert(change, wish, [row.id for row in chosen if row.registration_id is None])
    _revive(change, wish, [row for row in chosen if row.registration_id is not None])
    return skipped


def standing(connection: Connection, keys: Sequence[str]) -> Sequence[Any]:
    """Return the integrations of `keys` that are there, and whether each is registered."""
    return connection.execute(_FOUND.where(among(connection, Integration.key, keys))).all()


def missing(key: str) -> str:
    """Return the reason of a key that names nothing."""
    return f"there is no integration {key!r}"


def _values(change: Change, wish: Wish) -> dict[str, Any]:
    return begun(change.now) | settings(wish.body, wish.system_id, same=True)


def _insert(change: Change, wish: Wish, integration_ids: Sequence[int]) -> None:
    """Register integrations for the first time."""
    if not integration_ids:
        return
    connection = change.session.connection()
    values = _values(change, wish) | {"created_at": change.now}
    new = select(Integration.id).where(among(connection, Integration.id, integration_ids))
    _insert_for_each(connection, Registration.__table__, "integration_id", new, values)
    values = {"direction": Direction.FORWARD, **columns(wish.body.forward)}
    new = select(Registration.id).where(
        among(connection, Registration.integration_id, integration_ids)
    )
    _insert_for_each(connection, RegistrationDirection.__table__, "registration_id", new, values)


def _insert_for_each(
    connection: Connection, table: Any, name: str, ids: Select[Any], values: Mapping[str, Any]
) -> None:
    """Insert a row with the same `values` for each id that `ids` selects, in column `name`."""
    same = (literal(value, table.c[column].type) for column, value in values.items())
    query = ids.add_columns(*same).order_by(ids.selected_columns[0])
    connection.execute(table.insert().from_select([name, *values], query))


def _revive(change: Change, wish: Wish, rows: Sequence[Any]) -> None:
    """Register again what was unregistered, with the settings of now."""
    if not rows:
        return
    connection, direction = change.session.connection(), RegistrationDirection
    ids = [row.registration_id for row in rows]
    again = update(Registration.__table__).where(among(connection, Registration.id, ids))
    connection.execute(again.values(_values(change, wish)))
    mine = among(connection, direction.registration_id, ids)
    forward = direction.direction == Direction.FORWARD
    connection.execute(delete(direction).where(mine, ~forward))
    connection.execute(update(direction).where(mine, forward).values(columns(wish.body.forward)))
    # Nothing waits for those that are registered for the first time.
    readdress(connection, [row.id for row in rows], wish.system_id)
