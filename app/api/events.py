"""Events: reported one by one or many at once, answered once they are durable; and read."""

from __future__ import annotations

from app.api.bodies import JSON, NDJSON, Raw
from app.api.endpoints import Call, Reply, endpoint
from app.api.reporting import HEADER, HEADERS, client_id
from app.api.several import Several
from app.clock import utc_now
from app.errors import Fault, Forbidden, Invalid
from app.services import events
from app.services.api_keys import Scope
from app.services.documents import Document, Page
from app.services.events.shapes import MOST_EVENTS, EventBody, EventReport
from app.services.reading import events as reading
from app.services.reading.decisions import Decision
from app.services.reading.events import EventDocument, EventQuery, EventWithTrace

TAG = "Events"
_BODIES = Several(EventBody, MOST_EVENTS)


class EventTaken(Document):
    """One event of a report; `duplicate`: it had been taken before, to no second effect."""

    id: str
    client_id: str | None
    duplicate: bool


class EventsReported(Document):
    """All events of a report were taken; `accepted` are new."""

    accepted: int
    duplicates: int
    events: list[EventTaken]


@endpoint(
    "POST",
    "/events",
    scope=Scope.REPORT,
    tag=TAG,
    answers={202: EventsReported},
    refusals=(409,),
    shape=EventReport,
    headers=HEADERS,
    types=(*JSON, NDJSON),
    direct=True,
)
def report_events(call: Call, raw: Raw) -> Reply:
    """Report an event, or up to 1,000 of them as an array or as NDJSON (one a line).

    The answer comes once they are durable. Several are taken as a whole or not at all: a fault is
    named with the place of its event, from 0 on (`/3/severity`); of NDJSON that is the place among
    the lines that are not blank. The `id` of an event makes it safe to send it again for 2 months;
    for a single one it may stand in the `Idempotency-Key` header instead.
    """
    if call.caller.integration_key is not None:
        raise Forbidden("This API key is limited to one integration: it may not report events.")
    received_at = utc_now()
    bodies = _identified(_BODIES.parse(raw), call.headers.get(HEADER))
    return Reply(events.submit(call.site, events.prepare(call.caller.id, bodies, received_at)))


def _identified(given: EventBody | list[EventBody], header: str | None) -> list[EventBody]:
    """Return the events, with the id of the header where there is one; raises Invalid."""
    if header is None:
        return given if isinstance(given, list) else [given]
    if isinstance(given, list):
        raise Invalid([Fault(f"/{HEADER}", "must be left out: each event has its own id")])
    return [given.model_copy(update={"id": client_id(header, given.id)})]


@endpoint("GET", "/events", scope=Scope.READ, tag=TAG, answers={200: Page[EventDocument]})
def list_events(call: Call, query: EventQuery) -> Page[EventDocument]:
    """The events of a filter, newest first.

    With `code`, `status`, `outcome`, `q`, `since` or `until` a page looks at 20,000 events of the
    other filters at most: it may then be short, or empty, and goes on with `next`.
    """
    return reading.page(call.site, query)


@endpoint("GET", "/events/{id}", scope=Scope.READ, tag=TAG, answers={200: EventWithTrace})
def read_event(call: Call, id: int) -> EventWithTrace:
    """One event, with its trace."""
    return reading.one(call.site, id)


@endpoint("GET", "/events/{id}/decisions", scope=Scope.READ, tag=TAG, answers={200: Page[Decision]})
def read_event_decisions(call: Call, id: int) -> Page[Decision]:
    """Which systems the event went to, by which cell of the matrix, and which it did not go to."""
    return reading.decided(call.site, id)
