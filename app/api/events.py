"""Events: reported one by one, as an array or as NDJSON, and answered once they are durable."""

from __future__ import annotations

from app.api.bodies import JSON, NDJSON, Raw
from app.api.endpoints import Call, Reply, endpoint
from app.api.reporting import HEADER, HEADERS, client_id
from app.api.several import Several
from app.clock import utc_now
from app.errors import Fault, Forbidden, Invalid
from app.services import events
from app.services.api_keys import Scope
from app.services.documents import Document
from app.services.events.shapes import MOST_EVENTS, EventBody, EventReport

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
