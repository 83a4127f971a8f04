"""Writes events with their deliveries: ids first, then each table in one go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.clock import to_micros
from app.models import Event
from app.services import blocks, traces
from app.services.events import openings, outgoing
from app.services.events.inserting import Insert
from app.services.events.preparing import PreparedEvent, moment, whole
from app.services.routing import Routing

_TABLE: Any = Event.__table__
_EVENTS = Insert(
    Event,
    "id received_at source severity status outcome code dedup_key revision_id trace_hash "
    "document decisions",
)


@dataclass(frozen=True)
class Written:
    """The ids of events, in order, and the lanes that have something due now."""

    ids: Sequence[int]
    lanes: frozenset[int]


def write(
    connection: Connection, events: Sequence[PreparedEvent], routing: Routing, now: datetime
) -> Written:
    """Insert `events`, decided by `routing`, with what is to be sent; in the caller's transaction.

    Locks, in this order: traces, and what waits for more events, by lane.
    """
    _keep_traces(connection, events, now)
    plans = openings.planned(connection, events, routing)
    posts = outgoing.reserve(connection, plans, now)
    ids = blocks.take(connection, _TABLE, len(events))
    planned = list(zip(ids, events, plans, strict=True))
    received, micros, revision = moment(now), to_micros(now), routing.revision_id
    rows = [
        (
            event_id,
            micros,
            *event.cell,
            event.status,
            one.outcome,
            event.code,
            event.dedup_key,
            revision,
            event.trace and event.trace.hash,
            whole(event, event_id, received, one.outcome),
            one.decisions % named,
        )
        for (event_id, event, one), named in zip(planned, posts.named, strict=True)
    ]
    _EVENTS.run(connection, rows)
    outgoing.write(connection, posts, planned, now)
    return Written(ids, posts.lanes)


def _keep_traces(connection: Connection, events: Iterable[PreparedEvent], now: datetime) -> None:
    found = {event.trace.hash: event.trace for event in events if event.trace is not None}
    rows = [vars(one) | {"created_at": now} for _, one in sorted(found.items())]
    traces.keep(connection, rows)
