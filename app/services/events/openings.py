"""Resolves: each goes where its opening went (product.md 2, end)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, select

from app.domain.event_kinds import EventStatus, Row
from app.domain.kinds import DeliveryState
from app.domain.routing import Subscription
from app.models import Delivery, Event
from app.services import routing as targets
from app.services.events.plans import Plan, plans_of
from app.services.events.preparing import PreparedEvent
from app.services.routing import Routing

# So many events of one key are looked at: one that fires on and on was told by the latest of them.
MOST_OPENINGS = 20
_OF_KEY = (
    select(Event.status, Event.decisions)
    .where(Event.dedup_key == bindparam("key"))
    .order_by(Event.id.desc())
    .limit(MOST_OPENINGS)
)
# Whoever was not told the opening, and will not be, is not told that it is over.
_GIVEN_UP = select(Delivery.id).where(
    Delivery.id.in_(bindparam("ids", expanding=True)),
    Delivery.state.in_((DeliveryState.DEAD, DeliveryState.CANCELLED)),
)


@dataclass
class _Open:
    """What one transaction knows of a key: who was told since its last resolve.

    `resolved`: that one is of this transaction too, so that nothing before it counts.
    """

    told: set[Subscription] = field(default_factory=set)
    resolved: bool = False


def planned(
    connection: Connection, events: Sequence[PreparedEvent], routing: Routing
) -> list[Plan]:
    """Return the plan of each event, in order; in the transaction that writes them."""
    plans = plans_of(routing)
    if not any(map(_resolves, events)):
        return [plans.of(routing, event.cell) for event in events]
    found, known = [], dict[str, _Open]()
    for event in events:
        if not _resolves(event):
            plan = plans.of(routing, event.cell)
            if event.dedup_key is not None:
                told = known.setdefault(event.dedup_key, _Open()).told
                told.update((way.decision.row, way.target.system_id) for way in plan.ways)
        else:
            opened = _opened(connection, event.dedup_key or "", known)
            plan = plans.of(routing, event.cell, targets.targets(connection, opened))
        found.append(plan)
    return found


def _resolves(event: PreparedEvent) -> bool:
    return event.dedup_key is not None and event.status == EventStatus.RESOLVED


def _opened(connection: Connection, key: str, known: dict[str, _Open]) -> set[Subscription]:
    """Return who was told what `key` resolves; from now on it is closed."""
    before = known.get(key, _Open())
    known[key] = _Open(resolved=True)
    return before.told if before.resolved else before.told | _stored(connection, key)


def _stored(connection: Connection, key: str) -> set[Subscription]:
    """Return who was told, or will be, of the events of a key since its last resolve."""
    told: dict[int, Subscription] = {}
    for row in connection.execute(_OF_KEY, {"key": key}):
        if row.status is EventStatus.RESOLVED:
            break
        for one in json.loads(row.decisions):
            if one["delivery"] is not None:
                told[int(one["delivery"])] = (Row(one["row"]), one["system"])
    given_up = set(connection.scalars(_GIVEN_UP, {"ids": list(told)})) if told else set()
    return {who for delivery_id, who in told.items() if delivery_id not in given_up}
