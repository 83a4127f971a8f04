"""Events as they are read: lists by filter, one with its trace, and where it went."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, select

from app.domain.event_kinds import EventOutcome, EventStatus, Received, Row, Severity, Source
from app.domain.kinds import Direction, Why
from app.domain.routing import sentence
from app.errors import NotFound
from app.models import Event, RouteRevision, System, Trace
from app.services.documents import Document, Page
from app.services.installation import Installation
from app.services.paging import page_of
from app.services.reading import event_filter
from app.services.reading.decisions import Decision, Rule
from app.services.reading.event_filter import EventQuery as EventQuery  # noqa: PLC0414
from app.services.reading.failures import unpacked


class EventDocument(Document):
    """One event as received; webhooks carry this very shape."""

    id: str
    client_id: str | None
    source: Source
    severity: Severity = Field(description="As it is routed: critical is an error.")
    severity_received: Received
    code: str | None
    title: str
    description: str | None
    status: EventStatus
    dedup_key: str | None
    node: str | None
    labels: dict[str, str]
    link: str | None
    occurred_at: datetime
    received_at: datetime
    integration: str | None
    direction: Direction | None
    failure: str | None
    count: int
    has_trace: bool
    outcome: EventOutcome


class EventWithTrace(EventDocument):
    """One event with its trace."""

    trace: str | None


def page(site: Installation, wanted: EventQuery) -> Page[EventDocument]:
    """Return the events of a filter, newest first; a page may be short where `next` goes on."""
    with site.store.reading() as connection:
        part = event_filter.part(connection, wanted, (Event.id, Event.document))
    return page_of([decoded(row.document) for row in part.rows], part)


def decoded(document: str) -> EventDocument:
    """Return an event from the text that is stored of it."""
    return EventDocument.model_validate_json(document, by_alias=True)


def one(site: Installation, event_id: int) -> EventWithTrace:
    """Return an event with its trace; raises NotFound."""
    query = (
        select(Event.document, Trace.body)
        .outerjoin(Trace, Trace.hash == Event.trace_hash)
        .where(Event.id == event_id)
    )
    with site.store.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise _missing(event_id)
    fields = json.loads(row.document) | {"trace": unpacked(row.body)}
    return EventWithTrace.model_validate(fields, by_alias=True)


def documents(site: Installation, ids: Sequence[int]) -> list[Any]:
    """Return the documents of events, oldest first, as they are stored and posted."""
    query = select(Event.document).where(Event.id.in_(ids)).order_by(Event.id)
    with site.store.reading() as connection:
        return [json.loads(document) for document in connection.scalars(query)]


def decided(site: Installation, event_id: int) -> Page[Decision]:
    """Return the decisions of an event, one for each system, at least one; raises NotFound."""
    query = (
        select(Event.received_at, Event.decisions, RouteRevision.document)
        .outerjoin(RouteRevision, RouteRevision.id == Event.revision_id)
        .where(Event.id == event_id)
    )
    with site.store.reading() as connection:
        row = connection.execute(query).first()
        if row is None:
            raise _missing(event_id)
        decisions = json.loads(row.decisions)
        ids = {one["system"] for one in decisions} - {None}
        names = system_names(connection, ids, [row.document] if row.document else ())
    return page_of([_decision(one, row.received_at, names) for one in decisions])


def _missing(event_id: int) -> NotFound:
    return NotFound(f"There is no event {event_id}.")


def system_names(
    connection: Connection, ids: Collection[int], revisions: Iterable[Mapping[str, Any]]
) -> dict[int, str]:
    """Return the names of systems: those of now, or of the revisions for what is gone."""
    then = {int(one): name for said in revisions for one, name in said.get("names", {}).items()}
    rows = connection.execute(select(System.id, System.name).where(System.id.in_(ids)))
    return then | {row.id: row.name for row in rows}


def _decision(stored: Mapping[str, Any], at: datetime, names: Mapping[int, str]) -> Decision:
    row, severity = Row(stored["row"]), Severity(stored["severity"])
    delivery = stored["delivery"]
    return Decision(
        at=at,
        rule=Rule(kind="cell", row=row, severity=severity),
        system=names.get(stored["system"]),
        outcome=stored["outcome"],
        reason=stored["reason"],
        text=sentence(Why(stored["reason"]), row, severity),
        delivery=None if delivery is None else str(delivery),
        history=[],
    )
