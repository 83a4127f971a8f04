"""Deliveries: every notification, where it stands, and what was tried (delivery.md)."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from flask import request
from werkzeug.wrappers import Response

from app.domain.event_kinds import Row, Source
from app.domain.kinds import FINAL_STATES, DeliveryKind, DeliveryState
from app.domain.people import Role
from app.domain.routing import TITLES
from app.errors import Conflict, Invalid
from app.pages import download
from app.pages.filters import Choice, Period, Text
from app.pages.forms import sentence
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import Answer, Screen, back, post, route, unsure
from app.services import configuring, lanes, outbox, replay_bulk, replays
from app.services.reading import deliveries, delivery_words, events
from app.services.reading import lanes as read_lanes
from app.services.reading.deliveries import DeliveryDocument, DeliveryQuery
from app.services.reading.lanes import LaneQuery, ShownState
from app.services.systems import SYSTEMS
from app.shapes import parse

MOST = 1000
# So many events of a batch are shown as they are posted.
POSTED = 20
_KINDS = {
    DeliveryKind.FAILURE: "Failure",
    DeliveryKind.DIGEST: "Digest of processing failures",
    DeliveryKind.INACTIVITY: "No activity",
    DeliveryKind.RECOVERY: "Works again",
    DeliveryKind.TEST: "Test",
    DeliveryKind.FALLBACK: "Cannot deliver (fallback)",
    DeliveryKind.EVENT: "Event",
}
LISTING = Listing(
    columns=(
        Column("Made"),
        Column("What"),
        Column("System"),
        Column("State"),
        Column("Attempts", "num"),
    ),
    filters=(
        Choice("state", "State", [(str(s), delivery_words.WORDS[s]) for s in DeliveryState]),
        Choice("kind", "What", [(str(kind), title) for kind, title in _KINDS.items()]),
        Text("system", "System"),
        Choice("source", "Source", [(str(one), TITLES[Row(one)]) for one in Source]),
        Text("integration", "Integration"),
        Text("failure", "Failure"),
        Text("event", "Event"),
        Period(),
    ),
    empty=Empty(
        "Nothing was sent yet",
        "A delivery is made when a registered integration fails, when an event is routed, and when "
        "you press Test.",
        "mail",
    ),
    noun="delivery",
    nouns="deliveries",
)
_CSV = ("Id", "Made", "What", "System", "State", "Reason", "Attempts", "Finished", "Recipients")


class Deliveries(Screen):
    """The list of deliveries, the lanes that do not flow, and one delivery."""

    title, path, icon, section = "Deliveries", "/deliveries/", "send", "Notifications"
    listing = LISTING

    @route("/")
    def index(self) -> str:
        """Show the deliveries of a filter, newest first."""
        view = LISTING.view(request.args, self.path, DeliveryQuery)
        page = deliveries.page(self.site, view.query)
        return self.page(
            "admin/deliveries.html",
            view=view,
            page=page,
            total=view.total(page, partial(deliveries.count, self.site)),
            held=self._held(),
            ends=FINAL_STATES,
            kinds=_KINDS,
            words=delivery_words,
        )

    @route("/export.csv")
    def export(self) -> Response:
        """Stream what the filter finds as CSV."""
        view = LISTING.view(request.args, self.path, DeliveryQuery)
        rows = (_row(one) for one in deliveries.export(self.site, view.query))
        return download.csv("deliveries.csv", _CSV, rows)

    @route("/<int:number>")
    def show(self, number: int) -> str:
        """Show one delivery with every attempt and the decision behind it."""
        one = deliveries.one(self.site, number)
        told = events.documents(self.site, one.events[:POSTED])
        return self.page(
            "admin/delivery.html",
            one=one,
            posted=json.dumps({"events": told}, indent=2, ensure_ascii=False) if told else "",
            kinds=_KINDS,
            words=delivery_words,
            ends=FINAL_STATES,
            systems=self._others(),
        )

    @post("/<int:number>/again", Role.OPERATOR)
    def again(self, number: int) -> Response:
        """Send a final delivery again, through the same system or another one."""
        system = request.form.get("system") or None
        try:
            made = replays.replay(self.site, number, self.actor, system)
        except (Conflict, Invalid) as error:
            return self.done(f"{self.path}{number}", _said(error), "warning")
        return self.done(f"{self.path}{made}", f"It is sent again, as delivery {made}.")

    @post("/again", Role.OPERATOR)
    def again_all(self) -> Answer:
        """Send all final deliveries of a filter again, as a job."""
        typed = {name[2:]: value for name, value in request.form.items() if name[:2] == "f."}
        view = LISTING.view(typed, self.path, DeliveryQuery)
        if view.problems or view.query.state not in FINAL_STATES:
            return self.done(self.path, "Choose a state that is final first.", "warning")
        asked = unsure("Everything that this filter finds is sent once more.", "Send again")
        if asked:
            return asked
        job = replay_bulk.many(self.site, self.actor, view.query)
        if job is None:
            return self.done(self.path, "Nothing matches any more.", "info")
        return self.done(f"/jobs/{job}", "What matches is being sent again.", "info")

    def _others(self) -> list[str]:
        """Return the systems that a routed event could be sent to instead."""
        items, _ = configuring.page(SYSTEMS, self.site, MOST, None)
        return sorted(one["name"] for one in items)

    @post("/<int:number>/cancel", Role.OPERATOR)
    def cancel(self, number: int) -> Answer:
        """Cancel what waits."""
        asked = unsure("What waits here will not be sent.", "Cancel the delivery")
        if asked:
            return asked
        outbox.cancel(self.site, number, self.actor)
        return self.done(f"{self.path}{number}", "The delivery was cancelled.")

    @post("/lanes/<int:number>/try", Role.OPERATOR)
    def try_now(self, number: int) -> Response:
        """Let a lane that is in retry be tried now."""
        lanes.try_now(self.site, number)
        return self.done(back(self.path), "It is being tried now.", "info")

    def _held(self) -> list[read_lanes.LaneDocument]:
        """Return the lanes that do not flow, each one line of the screen."""
        states = (ShownState.RETRYING, ShownState.FLUSHING, ShownState.PAUSED)
        asked = [parse(LaneQuery, {"state": state}) for state in states]
        found = [read_lanes.page(self.site, query) for query in asked]
        return [lane for page in found for lane in page.items]


def _said(error: Conflict | Invalid) -> str:
    if isinstance(error, Invalid):
        return " ".join(sentence(fault.message) for fault in error.faults)
    return str(error)


def _row(one: DeliveryDocument) -> list[Any]:
    people = ", ".join(f"{who.address} ({who.state})" for who in one.recipients)
    return [
        one.id,
        one.created_at.isoformat(),
        one.subject or _KINDS[one.kind],
        one.system or "",
        one.state,
        one.reason or "",
        one.attempt_count,
        one.finished_at.isoformat() if one.finished_at else "",
        people,
    ]


SCREENS = (Deliveries,)
