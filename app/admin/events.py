"""Events: as they were received, and where each went or did not go, and why."""

from __future__ import annotations

from flask import request

from app.domain.event_kinds import EventOutcome, EventStatus, Row, Severity, Source
from app.domain.routing import TITLES
from app.pages.filters import Choice, Period, Text
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import Screen, route
from app.services.reading import deliveries, delivery_words, events
from app.services.reading.deliveries import DeliveryQuery
from app.services.reading.events import EventQuery
from app.shapes import parse

OUTCOMES = {
    EventOutcome.ROUTED: ("routed", "green"),
    EventOutcome.NO_ROUTE: ("no route", "yellow"),
    EventOutcome.OVERRIDDEN: ("nobody, on purpose", "secondary"),
}
SEVERITIES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
LISTING = Listing(
    columns=(
        Column("Received"),
        Column("Source"),
        Column("Severity"),
        Column("Event"),
        Column("Outcome"),
    ),
    filters=(
        Text("q", "Title, description or node", search=True),
        Choice("source", "Source", [(str(one), TITLES[Row(one)]) for one in Source]),
        Choice("severity", "Severity", [(str(one), str(one).capitalize()) for one in Severity]),
        Choice("outcome", "Outcome", [(str(one), said.capitalize()) for one, (said, _)
                                      in OUTCOMES.items()]),
        Choice("status", "Status", [(str(one), str(one).capitalize()) for one in EventStatus]),
        Text("integration", "Integration"),
        Text("dedupKey", "Dedup key"),
        Period(),
    ),
    empty=Empty(
        "No events were reported yet",
        "Operations tools report them to /api/v1/events; see the API under /api/docs.",
        "bolt",
    ),
    noun="event",
    nouns="events",
)  # fmt: skip
_THEIRS = 100


class Events(Screen):
    """The list of events, and one with its decisions and deliveries."""

    title, path, icon, section = "Events", "/events/", "bolt", "Notifications"
    listing = LISTING

    @route("/")
    def index(self) -> str:
        """Show the events of a filter, newest first."""
        view = LISTING.view(request.args, self.path, EventQuery)
        page = events.page(self.site, view.query)
        return self.page(
            "admin/events.html",
            view=view,
            page=page,
            total=None,
            outcomes=OUTCOMES,
            severities=SEVERITIES,
        )

    @route("/<int:number>")
    def show(self, number: int) -> str:
        """Show one event as it was received, and what became of it."""
        one = events.one(self.site, number)
        query = parse(DeliveryQuery, {"event": str(number), "limit": _THEIRS})
        return self.page(
            "admin/event.html",
            one=one,
            decisions=events.decided(self.site, number).items,
            theirs=deliveries.page(self.site, query).items,
            words=delivery_words,
            outcomes=OUTCOMES,
            severities=SEVERITIES,
        )


SCREENS = (Events,)
