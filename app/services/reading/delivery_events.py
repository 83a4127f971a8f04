"""What deliveries tell of events: which they are, their title, and why the delivery was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select, union_all

from app.domain.event_kinds import Row, Severity, Source
from app.domain.kinds import DeliveryKind, Outcome, Why
from app.models import Delivery, DeliveryEvent, Event, Lane
from app.services.reading.decisions import Decision, Rule, registered
from app.services.sql import among

MOST_EVENTS = 100


def telling(event_id: int) -> ColumnElement[bool]:
    """Return the condition of deliveries that tell an event, alone or with others."""
    alone = select(Delivery.id).where(Delivery.event_id == event_id)
    among_others = select(DeliveryEvent.delivery_id).where(DeliveryEvent.event_id == event_id)
    return Delivery.id.in_(union_all(alone, among_others))


def telling_of(source: Source) -> ColumnElement[bool]:
    """Return the condition of deliveries that tell an event of `source`."""
    item = DeliveryEvent
    of_it = Event.source == source
    return or_(
        exists().where(Event.id == Delivery.event_id, of_it),
        exists().where(item.delivery_id == Delivery.id, Event.id == item.event_id, of_it),
    )


def shown(connection: Connection, rows: Sequence[Any]) -> dict[int, dict[str, Any]]:
    """Return `events` (the first 100) and `subject` of each of the deliveries `rows`."""
    ours = [row for row in rows if row.kind is DeliveryKind.EVENT]
    events = _collected(connection, [row.id for row in ours if row.event_id is None])
    events |= {row.id: [row.event_id] for row in ours if row.event_id is not None}
    titles = _titles(connection, [ids[0] for ids in events.values()])
    return {row.id: _shown(row, events.get(row.id, ()), titles) for row in rows}


def _shown(row: Any, ids: Sequence[int], titles: Mapping[int, str]) -> dict[str, Any]:
    title = titles.get(ids[0]) if ids and row.subject is None else None
    if title is not None and row.item_count != 1:
        title = f"{row.item_count:,} events, the first: {title}"
    return {"events": ids[:MOST_EVENTS], "subject": row.subject or title}


def _collected(connection: Connection, ids: Sequence[int]) -> dict[int, list[int]]:
    """Return the first events of each batch; one has 1,000 at most."""
    item = DeliveryEvent
    query = (
        select(item.delivery_id, item.event_id)
        .where(among(connection, item.delivery_id, ids))
        .order_by(item.delivery_id, item.event_id)
    )
    found: dict[int, list[int]] = {}
    for delivery_id, event_id in connection.execute(query) if ids else ():
        found.setdefault(delivery_id, []).append(event_id)
    return found


def _titles(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    if not ids:
        return {}
    query = select(Event.id, Event.document).where(among(connection, Event.id, ids))
    return {row.id: json.loads(row.document)["title"] for row in connection.execute(query)}


def decision(connection: Connection, row: Any) -> Decision:
    """Return why a delivery was made, as it was decided then."""
    routed = row.kind is DeliveryKind.EVENT
    return Decision(
        at=row.created_at,
        rule=_cell(connection, row) if routed else registered(row.integration),
        system=row.system,
        outcome=Outcome.SEND,
        reason=row.why,
        text=row.why_text,
        delivery=str(row.id),
        history=[],
    )


def _cell(connection: Connection, row: Any) -> Rule:
    """Return the cell of the matrix that an event delivery was made by."""
    lane = connection.scalar(select(Lane.row).where(Lane.id == row.lane_id))
    first = select(func.min(DeliveryEvent.event_id)).where(DeliveryEvent.delivery_id == row.id)
    wanted = first.scalar_subquery() if row.event_id is None else row.event_id
    query = select(Event.source, Event.severity).where(Event.id == wanted)
    event = connection.execute(query).first()
    if event is None:
        return Rule(kind="cell", row=lane)
    # Mail of all rows goes through one lane; the reason says which of the two cells it was.
    found = Row.GLOBAL if row.why == Why.GLOBAL_CELL else Row(event.source)
    return Rule(kind="cell", row=lane or found, severity=Severity(event.severity))
