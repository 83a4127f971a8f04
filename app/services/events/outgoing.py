"""What is to be sent of events: deliveries with ids of their own before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.domain.kinds import DeliveryKind
from app.models import Delivery, DeliveryEvent
from app.services import blocks
from app.services.events.collecting import Collected, collect, join
from app.services.events.inserting import Insert, Row
from app.services.events.plans import Plan, Way
from app.services.events.preparing import PreparedEvent
from app.services.new_delivery import fresh

_TABLE: Any = Delivery.__table__
# Its own columns first; the others are the same for all that go one way.
_DELIVERIES = Insert(
    Delivery,
    "id event_id order_key kind system_id lane_id why why_text item_count due_at state reported_at "
    "created_at confirmed attempt_count retries_used lost_leases started",
)
_TOLD = Insert(DeliveryEvent, "delivery_id event_id")


@dataclass(frozen=True)
class Outgoing:
    """The deliveries of some events; `named`: their ids for each event, in order of its ways."""

    named: Sequence[tuple[int, ...]]
    batches: Sequence[Collected]
    lanes: frozenset[int]


def reserve(connection: Connection, plans: Sequence[Plan], now: datetime) -> Outgoing:
    """Return what events, one of each of `plans`, are to be sent by; their rows are not written.

    Locks what waits for more events, in order of the lanes.
    """
    batches = list(_batches(connection, plans, now))
    new = [batch for batch in batches if batch.id is None]
    alone = sum(plan.alone for plan in plans)
    ids = iter(blocks.take(connection, _TABLE, alone + len(new)))
    for batch in new:
        batch.id = next(ids)
    shared = {(one.lane_id, place): one.id or 0 for one in batches for place in one.events}
    named = [
        tuple(shared[way.target.lane_id, place] if way.batched else next(ids) for way in plan.ways)
        for place, plan in enumerate(plans)
    ]
    due = {way.target.lane_id for plan in set(plans) for way in plan.ways if not way.batched}
    full = {batch.lane_id for batch in batches if batch.due_at <= now}
    return Outgoing(named, batches, frozenset(due | full))


def _batches(connection: Connection, plans: Sequence[Plan], now: datetime) -> Iterator[Collected]:
    found: dict[int, tuple[Way, list[int]]] = {}
    for place, plan in enumerate(plans):
        for way in plan.collecting:
            found.setdefault(way.target.lane_id, (way, []))[1].append(place)
    for _, (way, places) in sorted(found.items()):
        yield from collect(connection, way, places, now)


def write(
    connection: Connection,
    outgoing: Outgoing,
    events: Sequence[tuple[int, PreparedEvent, Plan]],
    now: datetime,
) -> None:
    """Insert the deliveries of `events`, each with its id and its plan."""
    plans = {plan for _, _, plan in events}
    same = {plan: [_same(connection, way, now) for way in plan.ways] for plan in plans}
    rows = [
        (delivery_id, event_id, event.order_key, *columns)
        for (event_id, event, plan), named in zip(events, outgoing.named, strict=True)
        for way, delivery_id, columns in zip(plan.ways, named, same[plan], strict=True)
        if not way.batched
    ]
    _DELIVERIES.run(connection, rows)
    _write_batches(connection, outgoing.batches, [event_id for event_id, _, _ in events], now)


def _write_batches(
    connection: Connection, batches: Sequence[Collected], ids: Sequence[int], now: datetime
) -> None:
    join(connection, batches)
    new = [
        (batch.id, None, None, *_same(connection, batch.way, now, batch))
        for batch in batches
        if not batch.before
    ]
    _DELIVERIES.run(connection, new)
    told = [(batch.id, ids[place]) for batch in batches for place in batch.events]
    _TOLD.run(connection, told)


def _same(connection: Connection, way: Way, now: datetime, batch: Collected | None = None) -> Row:
    """Return the columns that all deliveries of one way share, or those of one batch."""
    values = fresh(
        now,
        kind=DeliveryKind.EVENT,
        system_id=way.target.system_id,
        lane_id=way.target.lane_id,
        why=way.decision.why,
        why_text=way.decision.text,
        item_count=1 if batch is None else batch.number,
        due_at=now if batch is None else batch.due_at,
    )
    return _DELIVERIES.given(connection, values)
