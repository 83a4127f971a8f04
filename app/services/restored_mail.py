"""The mail of integrations whose unregistering is undone: what that had cancelled is due again.

A final delivery never changes, so each is followed by a new one that names it as its parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from app.domain.kinds import DeliveryKind, EndReason, Kind, Outcome, RecipientState
from app.models import (
    IS_CANCELLED,
    IS_OPEN,
    Delivery,
    DeliveryItem,
    DeliveryRecipient,
    Failure,
    IntegrationDirection,
    Lane,
    Registration,
)
from app.services.new_delivery import fresh
from app.services.registrations import own
from app.services.sql import among, insert_returning, update_by_id

_FINAL = (RecipientState.ACCEPTED, RecipientState.REJECTED)
_OF_EPISODE = (DeliveryKind.FAILURE, DeliveryKind.INACTIVITY)
_SAME = (
    "kind integration_id direction why why_text episode_since occurrences reported_at recovered_at "
    "silent_since limit_minutes"
).split()
_OURS = ("system_id", "lane_id", "item_count")
_LEFT = (
    select(func.count())
    .where(DeliveryItem.delivery_id == Delivery.id)
    .correlate(Delivery)
    .scalar_subquery()
)
_DIRECTION = and_(
    IntegrationDirection.integration_id == Delivery.integration_id,
    IntegrationDirection.direction == Delivery.direction,
)
# Of registrations that are unregistered still. What was deleted since has left its mail.
_CANCELLED = (
    select(
        *(Delivery.__table__.c[name] for name in (*_SAME, "id", "due_at", "created_at")),
        _LEFT.label("item_count"),
        Registration.system_id,
        Lane.id.label("lane_id"),
        IntegrationDirection.id.label("direction_id"),
        IntegrationDirection.episode,
        IntegrationDirection.episode_since.label("fails_since"),
        IntegrationDirection.last_activity_at,
    )
    .join(Registration, Registration.integration_id == Delivery.integration_id)
    .join(Lane, and_(Lane.system_id == Registration.system_id, Lane.row.is_(None)))
    .join(IntegrationDirection, _DIRECTION)
    .where(
        IS_CANCELLED,
        Delivery.reason == EndReason.UNREGISTERED,
        Delivery.finished_at >= Registration.unregistered_at,
        or_(Delivery.item_count == 0, _LEFT > 0),
    )
    .order_by(Delivery.id)
)


def restore_mail(
    connection: Connection, integration_ids: Sequence[int], now: datetime
) -> list[tuple[int, bool]]:
    """Make what unregistering these integrations had cancelled due again, as new deliveries.

    To be called before they are registered again, in that transaction, with their directions
    locked. What has been made due again before is left alone. Returns the lane of each, and whether
    it goes at once: what waited for the pass waits for it again.
    """
    mine = own(among(connection, Delivery.integration_id, integration_ids))
    followed = _followed(connection, mine)
    found = connection.execute(_CANCELLED.where(mine)).all()
    old = [row for row in found if row.id not in followed]
    ids = insert_returning(connection, Delivery.__table__, [_again(row, now) for row in old])
    parents = dict(zip(ids, old, strict=True))
    _copy(connection, ids)
    _tell(connection, ids, parents)
    _tell_directions(connection, parents)
    return [(row.lane_id, row.due_at is not None) for row in old]


def _followed(connection: Connection, mine: ColumnElement[bool]) -> set[int]:
    """Return which deliveries a newer one follows already.

    Those of an unregistered integration wait or are cancelled: nothing is sent for it.
    """
    query = select(Delivery.parent_id).where(Delivery.parent_id.is_not(None), mine)
    return {
        parent
        for state in (IS_OPEN, IS_CANCELLED)
        for parent in connection.scalars(query.where(state))
        if parent is not None
    }


def _again(row: Any, now: datetime) -> dict[str, Any]:
    """Return the delivery that follows a cancelled one, through the system of the registration."""
    values = {name: getattr(row, name) for name in (*_SAME, *_OURS)}
    values |= {"parent_id": row.id, "recovered_at": recovered_at(row)}
    return fresh(now, **values, due_at=None if row.due_at is None else now)


def recovered_at(row: Any) -> datetime | None:
    """Return since when it works again: it may have recovered while nobody was told of it.

    `row`: the mail that was to tell of a failure, with `fails_since` and `last_activity_at` of its
    direction as they are now.
    """
    at: datetime | None = row.recovered_at
    if at is None and row.kind in _OF_EPISODE and row.fails_since is None:
        last = row.last_activity_at
        return last if last is not None and last >= row.created_at else None
    return at


def _copy(connection: Connection, ids: Sequence[int]) -> None:
    """Copy what the parents tell, and to whom they need not be sent any more."""
    item, person = DeliveryItem.__table__, DeliveryRecipient.__table__
    mine = among(connection, Delivery.id, ids)
    told = item.c.delivery_id == Delivery.parent_id
    items = select(Delivery.id, item.c.failure_id).where(mine, told)
    connection.execute(item.insert().from_select(["delivery_id", "failure_id"], items))
    names = [column.name for column in person.columns if column.name != "delivery_id"]
    people = select(Delivery.id, *(person.c[name] for name in names)).where(
        mine, person.c.delivery_id == Delivery.parent_id, person.c.state.in_(_FINAL)
    )
    connection.execute(person.insert().from_select(["delivery_id", *names], people))


def _tell(connection: Connection, ids: Sequence[int], parents: Mapping[int, Any]) -> None:
    """Let the failures know the mail that tells them, where no other one does by now."""
    item = DeliveryItem
    columns = (Failure.id, Failure.kind, Failure.episode, Failure.decision, item.delivery_id)
    query = select(*columns).join(item, item.failure_id == Failure.id)
    query = query.where(
        among(connection, item.delivery_id, ids), Failure.told_delivery_id.is_(None)
    )
    rows = connection.execute(query.order_by(item.delivery_id)).all()
    told = {row.id: row for row in rows if _was_told(row, parents[row.delivery_id])}
    values = [
        {
            "id": row.id,
            "told_episode": row.episode,
            "told_delivery_id": row.delivery_id,
            "decision": _pointing(row.decision, parents[row.delivery_id].id, row.delivery_id),
        }
        for row in told.values()
    ]
    update_by_id(connection, Failure.__table__, values)


def _was_told(failure: Any, mail: Any) -> bool:
    """Whether `mail` does more than list the failure: it is not held, nor of a later episode."""
    if failure.decision is not None and failure.decision["outcome"] == Outcome.HOLD:
        return False
    return failure.kind is Kind.PROCESSING or _of_this_episode(mail)


def _of_this_episode(mail: Any) -> bool:
    return mail.fails_since is not None and bool(mail.created_at >= mail.fails_since)


def _pointing(decision: Mapping[str, Any] | None, old: int, new: int) -> Mapping[str, Any] | None:
    """Return a decision that names the mail that goes, where it named the cancelled one."""
    if decision is None or decision["delivery"] != str(old):
        return decision
    return {**decision, "delivery": str(new)}


def _tell_directions(connection: Connection, parents: Mapping[int, Any]) -> None:
    """Let the directions know the last mail of their episode, and their decisions their mail."""
    table = IntegrationDirection
    ids = list({mail.direction_id for mail in parents.values()})
    query = select(table.id, table.told_delivery_id, table.silent_episode, table.decisions)
    query = query.where(among(connection, table.id, ids))
    lines = {row.id: dict(row._mapping) for row in connection.execute(query)}
    for new, mail in parents.items():
        line, kind = lines[mail.direction_id], str(mail.kind)
        if mail.kind in _OF_EPISODE and _of_this_episode(mail):
            line["told_delivery_id"] = max(line["told_delivery_id"] or 0, new)
            if mail.kind is DeliveryKind.INACTIVITY:
                line["silent_episode"] = mail.episode
        if decision := (line["decisions"] or {}).get(kind):
            line["decisions"] = line["decisions"] | {kind: _pointing(decision, mail.id, new)}
    update_by_id(connection, table.__table__, list(lines.values()))
