"""Routing: the matrix of sources and severities, reviewed before it is saved; preview and lint."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from flask import request

from app.clock import utc_now
from app.domain.event_kinds import Row, Severity, Source
from app.domain.people import Role
from app.domain.routing import TITLES
from app.errors import Invalid, NotFound, Stale
from app.pages import matrix_form, system_fields
from app.pages.forms import Form, sentence, tried, unchanged
from app.pages.screen import UNPROCESSABLE, Answer, Screen, post, route
from app.pages.times import zone_of
from app.services import (
    catalogue,
    configuring,
    routes,
    routing_board,
    routing_lint,
    routing_preview,
    routing_simulation,
)
from app.services.catalogue import CatalogueQuery
from app.services.paging import PageQuery
from app.services.routes_waiting import Waiting
from app.services.routing_preview import Asked, Preview, PreviewBody
from app.services.systems import SYSTEMS
from app.shapes import parse

MOST_SYSTEMS, ENTRIES = 1000, 100
# A draft is tried on the events of so long.
PAST = timedelta(days=7)
DIFFERENCES = 10
ASKED = ("source", "severity", "integration", "labels", "at")


class Routing(Screen):
    """The matrix that holds, a draft of it, and where an event would go."""

    title, path, icon, section = "Routing", "/routing/", "route", "Notifications"

    @route("/")
    def index(self) -> str:
        """Show the matrix, where an asked event would go, lint, and the catalogue."""
        return self._matrix()

    @post("/review")
    def review(self) -> Answer:
        """Show what a draft changes, before it is saved."""
        saved = routes.get(self.site)
        draft = _draft(saved.document, matrix_form.read(request.form))
        try:
            board = routing_board.draft(self.site, draft)
        except Invalid as error:
            return self._matrix(_said(error), draft["cells"]), UNPROCESSABLE
        found = list(matrix_form.changes(saved.document["cells"], draft["cells"]))
        if not found:
            return self.done(self.path, "Nothing was changed.", "info")
        before = {one.sentence for one in routing_lint.findings(routing_board.current(self.site))}
        tried_on = {"draft": draft, "since": (utc_now() - PAST).isoformat()}
        return self.page(
            "admin/routing_review.html",
            changes=found,
            draft=json.dumps(draft),
            version=request.form.get("seen-version") or saved.version,
            lint=[one for one in routing_lint.findings(board) if one.sentence not in before],
            simulation=routing_simulation.simulate(
                self.site, tried_on, parse(PageQuery, {"limit": DIFFERENCES})
            ),
        )

    @post("/save")
    def save(self) -> Answer:
        """Save a draft that was reviewed: at once, as one change."""
        condition = unchanged(request.form)
        waiting = Waiting.CANCEL if request.form.get("waiting") == "cancel" else Waiting.SEND
        draft: dict[str, Any] = {}
        try:
            draft = json.loads(request.form.get("draft", ""))
            saved = routes.replace(self.site, self.actor, draft, condition, waiting)
        except (ValueError, Invalid, Stale) as error:
            why = _said(error) if isinstance(error, Invalid) else [str(error)]
            return self._matrix(why, draft.get("cells")), UNPROCESSABLE
        return self.done(self.path, " ".join(("The routing was saved.", *_waited(saved.document))))

    @route("/-/policy/<row>/<name:name>", Role.ADMIN)
    def policy(self, row: str, name: str) -> str:
        """Show the retry policy of a source and a system."""
        one = self._subscription(row, name)
        form = system_fields.policy_form().with_values({"retryPolicy": one["retryPolicy"] or {}})
        return self._policy(form, one)

    @post("/-/policy/<row>/<name:name>")
    def keep_policy(self, row: str, name: str) -> Answer:
        """Save the retry policy of a source and a system; it holds at once."""
        one, condition = self._subscription(row, name), unchanged(request.form)
        form = system_fields.policy_form()

        def work() -> Any:
            own = form.read(request.form).get("retryPolicy")
            own = own if own and own.get("policy") else None
            there = routes.get(self.site).document["subscriptions"]
            changed = [_subscribed(s) for s in there if not _is(s, row, name)]
            changed.append(_subscribed({**one, "retryPolicy": own}))
            return routes.patch(self.site, self.actor, {"subscriptions": changed}, condition)

        saved, form = tried(form, request.form, work)
        if saved is None:
            return self._policy(form, one), UNPROCESSABLE
        return self.done(self.path, f"The retry policy of {TITLES[Row(row)]} and {name} was saved.")

    def _matrix(
        self, faults: list[str] | None = None, typed: list[dict[str, Any]] | None = None
    ) -> str:
        """Return the page; `typed` are the cells of a draft that was refused, to be mended."""
        board, saved = routing_board.current(self.site), routes.get(self.site)
        systems, _ = configuring.page(SYSTEMS, self.site, MOST_SYSTEMS, None)
        entries = parse(CatalogueQuery, {"limit": ENTRIES})
        preview, wrong = self._preview()
        return self.page(
            "admin/routing.html",
            rows=list(Row),
            severities=list(Severity),
            sources=list(Source),
            help=matrix_form.HELP,
            titles=TITLES,
            cells=matrix_form.by_place(saved.document["cells"]),
            typed=matrix_form.by_place(typed or saved.document["cells"]),
            told={
                (str(source), str(severity)): routing_preview.explained(
                    board, Asked(source, severity)
                )
                for source in Source
                for severity in Severity
            },
            systems=sorted(systems, key=lambda one: str(one["name"]).casefold()),
            subscriptions=saved.document["subscriptions"],
            policy_words=matrix_form.policy_words,
            version=saved.version,
            lint=sorted(routing_lint.findings(board), key=lambda one: one.severity != "warning"),
            catalogue=catalogue.page(self.site, entries).items,
            preview=preview,
            at=request.args.get("at", "") if _is_time(request.args.get("at", "")) else "",
            wrong=wrong,
            faults=faults or [],
        )

    def _preview(self) -> tuple[Preview | None, list[str]]:
        """Return where the event that is asked for would go, or what is wrong with it."""
        typed = {name: value for name in ASKED if (value := request.args.get(name, "").strip())}
        if "source" not in typed:
            return None, []
        try:
            body = {**typed, **self._parts(typed)}
            return routing_preview.preview(self.site, parse(PreviewBody, body)), []
        except Invalid as error:
            return None, _said(error)

    def _parts(self, typed: dict[str, str]) -> dict[str, Any]:
        """Return labels and time as the API takes them; raises a fault of the API's."""
        parts: dict[str, Any] = {}
        if "labels" in typed:
            pairs = (line.partition("=") for line in typed["labels"].splitlines() if line.strip())
            parts["labels"] = {name.strip(): value.strip() for name, _, value in pairs}
        if _is_time(typed.get("at", "")):
            local = datetime.fromisoformat(typed["at"])
            parts["at"] = local.replace(tzinfo=zone_of(self.visitor.zone)).isoformat()
        return parts

    def _subscription(self, row: str, name: str) -> dict[str, Any]:
        found = routes.get(self.site).document["subscriptions"]
        for one in found:
            if _is(one, row, name):
                return dict(one)
        raise NotFound(f"No cell of this row names {name}.")

    def _policy(self, form: Form, one: dict[str, Any]) -> str:
        return self.page(
            "admin/routing_policy.html",
            form=form,
            one=one,
            row=TITLES[Row(one["source"])],
            holds=matrix_form.policy_words(one["effective"]["retryPolicy"]),
            version=routes.get(self.site).version,
        )


def _draft(document: dict[str, Any], cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a body of PUT /routes: other cells, and the policies as they are."""
    kept = [_subscribed(one) for one in document["subscriptions"] if one["retryPolicy"]]
    return {"cells": cells, "subscriptions": kept}


def _subscribed(one: dict[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in ("source", "system", "retryPolicy")}


def _is(one: dict[str, Any], row: str, name: str) -> bool:
    return bool(one["source"] == row and one["system"] == name)


def _is_time(typed: str) -> bool:
    """Whether it is what a browser sends of a box for date and time."""
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", typed, re.ASCII) is not None


def _said(error: Invalid) -> list[str]:
    """Return faults as sentences; one of a cell names it as the page does."""
    return [
        sentence(f"{matrix_form.place(one.pointer)} {one.message}".strip()) for one in error.faults
    ]


def _waited(document: dict[str, Any]) -> list[str]:
    return [
        f"{one['count']:,} that waited for {one['system']} ({TITLES[Row(one['source'])]}) "
        f"{'was' if one['count'] == 1 else 'were'} "
        f"{'cancelled' if one['done'] == 'cancelled' else 'left to be sent'}."
        for one in document["waiting"]
    ]


SCREENS = (Routing,)
