"""What must be true of events and of what tells them; part of `services/invariants.py`."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Select, and_, exists, func, or_, select

from app.clock import utc_now
from app.domain.event_kinds import EventOutcome
from app.domain.kinds import FINAL_STATES, DeliveryKind
from app.models import Delivery, DeliveryEvent, Event, Trace

# A delivery is pruned after a day at the earliest; its event may outlive it.
SHORTEST_RETENTION = timedelta(days=1)
_ID = '"delivery":'


def event_rules() -> dict[str, Select[int]]:
    """Return the queries of the ids that break each rule."""
    return _told_rules() | {
        "a routed event has the deliveries that its decisions name": select(Event.id).where(
            Event.outcome == EventOutcome.ROUTED,
            Event.received_at >= utc_now() - SHORTEST_RETENTION,
            # A system without a lane leaves a decision without a delivery.
            func.replace(Event.decisions, f"{_ID}null", "").contains(_ID),
            ~exists().where(Delivery.event_id == Event.id),
            ~exists().where(DeliveryEvent.event_id == Event.id),
        ),
        "an event has the trace that it names": select(Event.id).where(
            Event.trace_hash.is_not(None), ~exists().where(Trace.hash == Event.trace_hash)
        ),
    }


def _told_rules() -> dict[str, Select[int]]:
    item = DeliveryEvent
    waits = and_(Delivery.kind == DeliveryKind.EVENT, Delivery.state.not_in(FINAL_STATES))
    alone = Delivery.event_id.is_not(None)
    collected = (
        select(func.count())
        .where(item.delivery_id == Delivery.id, Event.id == item.event_id)
        .correlate(Delivery)
        .scalar_subquery()
    )
    return {
        "an open delivery of one event has it": select(Delivery.id).where(
            waits,
            alone,
            or_(Delivery.item_count != 1, ~exists().where(Event.id == Delivery.event_id)),
        ),
        "an open delivery of several events has as many as it counts": select(Delivery.id).where(
            waits, ~alone, Delivery.item_count != collected
        ),
    }
