"""Reads the events that claimed mail tells, in a few statements however many they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, literal, select
from sqlalchemy.orm import aliased

from app.domain.kinds import DeliveryKind
from app.models import DeliveryEvent, Event, Trace
from app.services.deliver.claims import Claimed
from app.services.deliver.found import MOST_LISTED, TRACE_HEAD, Told, traces

_IDS: BindParameter[int] = bindparam("ids", expanding=True)
_EVENT: tuple[Any, ...] = (Event.id, Event.dedup_key, Event.document, Event.trace_hash, Trace.lines)
_SAME, _LATEST = aliased(Event), aliased(Event)
# What was last reported of the same key, where that came later.
_LATER = (
    select(func.max(_SAME.id))
    .where(_SAME.dedup_key == Event.dedup_key, _SAME.id > Event.id)
    .correlate(Event)
    .scalar_subquery()
)
_ALONE = (
    select(
        *_EVENT,
        literal(1).label("total"),
        _LATEST.status.label("latest"),
        _LATEST.received_at.label("latest_at"),
    )
    .outerjoin_from(Event, Trace, Trace.hash == Event.trace_hash)
    .outerjoin(_LATEST, _LATEST.id == _LATER)
    .where(Event.id.in_(_IDS))
)
# A mail lane collects nothing; but a batch of another lane may be sent again by mail.
_NUMBERED = (
    select(
        DeliveryEvent.delivery_id,
        *_EVENT,
        func.count().over(partition_by=DeliveryEvent.delivery_id).label("total"),
        func.row_number()
        .over(partition_by=DeliveryEvent.delivery_id, order_by=Event.id)
        .label("place"),
    )
    .join_from(DeliveryEvent, Event, Event.id == DeliveryEvent.event_id)
    .outerjoin(Trace, Trace.hash == Event.trace_hash)
    .where(DeliveryEvent.delivery_id.in_(_IDS))
    .subquery()
)
_BATCHED = (
    select(_NUMBERED, literal(None).label("latest"), literal(None).label("latest_at"))
    .where(_NUMBERED.c.place <= MOST_LISTED)
    .order_by(_NUMBERED.c.delivery_id, _NUMBERED.c.place)
)


def told_events(connection: Connection, claims: Sequence[Claimed]) -> dict[int, list[Told]]:
    """Return the events by delivery; one that is told alone has the head of its trace."""
    routed = [claimed for claimed in claims if claimed.kind is DeliveryKind.EVENT]
    told: dict[int, list[Told]] = defaultdict(list)
    if alone := {claimed.event_id for claimed in routed if claimed.event_id is not None}:
        events = _alone(connection, alone)
        for claimed in routed:
            if claimed.event_id in events:
                told[claimed.id].append(events[claimed.event_id])
    if batched := [claimed.id for claimed in routed if claimed.event_id is None]:
        for row in connection.execute(_BATCHED, {"ids": batched}):
            told[row.delivery_id].append(Told(row, None))
    return told


def _alone(connection: Connection, ids: set[int]) -> dict[int, Told]:
    rows = connection.execute(_ALONE, {"ids": list(ids)}).all()
    hashes = {row.trace_hash for row in rows if row.trace_hash is not None}
    heads = traces(connection, sorted(hashes), TRACE_HEAD)
    return {row.id: Told(row, heads.get(row.trace_hash)) for row in rows}
