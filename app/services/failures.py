"""What people do to a failure: delete it, resolve it, reset its retries; each is audited."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from app.domain.kinds import FINAL_STATES, FailureState
from app.errors import NotFound
from app.models import Delivery, DeliveryItem, Failure, IntegrationDirection
from app.services import audit
from app.services.installation import Installation

_KIND = "failure"


class Action(StrEnum):
    """What people do to failures, in the words of the audit log."""

    DELETE = "delete"
    RESOLVE = "resolve"
    RESET = "reset retries"


_VALUES: Mapping[Action, Mapping[str, Any]] = {
    Action.RESOLVE: {"state": FailureState.RESOLVED},
    Action.RESET: {"retry_count": 0, "told_episode": None, "told_delivery_id": None},
}
_SHOWN = ("state", "retry_count", "told_episode")


def delete(site: Installation, failure_id: int, actor: str) -> None:
    """Delete a failure with its history; raises NotFound. A repeat makes a new one.

    A mail that would still tell it goes without it.
    """
    with site.store.writing() as connection:
        apply(connection, Action.DELETE, failure_id, actor)


def resolve(site: Installation, failure_id: int, actor: str) -> None:
    """Close a failure until it is reported again; raises NotFound. Harmless when repeated."""
    with site.store.writing() as connection:
        apply(connection, Action.RESOLVE, failure_id, actor)


def reset_retries(site: Installation, failure_id: int, actor: str) -> None:
    """Count its retries from 0 again, so that it may be told once more; raises NotFound."""
    with site.store.writing() as connection:
        apply(connection, Action.RESET, failure_id, actor)


def apply(
    connection: Connection, action: Action, failure_id: int, actor: str, *, audited: bool = True
) -> bool:
    """Do it to one failure, in the caller's transaction; returns whether that changed anything.

    Raises NotFound. Not `audited`: the caller writes one entry for many.
    """
    before = _locked(connection, failure_id)
    if action is Action.DELETE:
        _delete(connection, failure_id)
        after = None
    else:
        table = Failure.__table__
        values = _VALUES[action]
        connection.execute(table.update().where(table.c.id == failure_id).values(values))
        after = before | {name: values[name] for name in _SHOWN if name in values}
    if after != before and audited:
        audit.record(connection, actor, action, _KIND, str(failure_id), before, after)
    return after != before


def _delete(connection: Connection, failure_id: int) -> None:
    failure, item = Failure.__table__, DeliveryItem.__table__
    _leave_out(connection, failure_id)
    connection.execute(item.delete().where(item.c.failure_id == failure_id))
    connection.execute(failure.delete().where(failure.c.id == failure_id))


def _leave_out(connection: Connection, failure_id: int) -> None:
    """Count the failure out of the mails that would still tell it."""
    table, item = Delivery.__table__, DeliveryItem.__table__
    telling = select(item.c.delivery_id).where(item.c.failure_id == failure_id)
    connection.execute(
        table.update()
        .where(table.c.id.in_(telling), table.c.state.not_in(FINAL_STATES))
        .values(item_count=table.c.item_count - 1)
    )


def _locked(connection: Connection, failure_id: int) -> dict[str, Any]:
    """Return the failure as it is audited, kept from others until the commit; raises NotFound.

    The row of its direction is the lock under which reports change it, so that is taken first.
    """
    directions = select(Failure.direction_id).where(Failure.id == failure_id)
    lock = select(IntegrationDirection.id).where(
        IntegrationDirection.id == directions.scalar_subquery()
    )
    connection.execute(lock.with_for_update())
    columns = (getattr(Failure, name) for name in (*_SHOWN, "message"))
    query = select(*columns).where(Failure.id == failure_id).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"There is no failure {failure_id}.")
    return dict(row._mapping)
