"""What both screens of Error Management share: one failure, what is done to it, bulk, CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from flask import redirect, request
from werkzeug.wrappers import Response

from app.domain.kinds import Kind
from app.domain.people import Role
from app.errors import Fault, Invalid
from app.pages import download
from app.pages.filters import Choice
from app.pages.lists import Listing, View
from app.pages.screen import Answer, Screen, post, route, unsure
from app.services import failure_bulk, failures, trace_file
from app.services.failures import Action
from app.services.installation import installation
from app.services.paging import MAX_ID
from app.services.reading import audit, deliveries, failure_reasons
from app.services.reading import failures as read
from app.services.reading.audit import AuditQuery
from app.services.reading.deliveries import DeliveryQuery
from app.services.reading.failure_filter import FailureQuery
from app.services.reading.failures import FailureDocument
from app.shapes import parse

GLOBAL, PROCESSING = "/failures/global/", "/failures/processing/"
DIRECTIONS = (("forward", "Forward"), ("backward", "Backward"))
INTEGRATION = Choice("integration", "Integration", lambda: failure_reasons.choices(installation()))
STATES = (("open", "Open"), ("resolved", "Resolved"))
_ID = re.compile(r"[0-9]{1,19}")
_DONE = {
    Action.DELETE: "deleted",
    Action.RESOLVE: "marked resolved",
    Action.RESET: "counted from 0 again",
}
_ASKS = {
    Action.DELETE: ("They are deleted with their history; a repeat makes new ones.", "Delete"),
    Action.RESOLVE: ("They are closed until they are reported again.", "Mark resolved"),
    Action.RESET: ("Their retries are counted from 0, so that they are told again.", "Reset"),
}
_COLUMNS = (
    "id", "kind", "integration", "direction", "error_code", "message", "entity_type", "entity_id",
    "project", "count", "retry_count", "max_retry_count", "total_retry_count", "state",
    "first_logged_at", "last_logged_at", "system", "reason",
)  # fmt: skip


class FailureScreen(Screen):
    """A list of failures, and one of them; subclasses say which, and how the list looks."""

    section: ClassVar[str | None] = "Error Management"
    listing: ClassVar[Listing]

    def shown_list(self) -> Listing:
        """Return the list, which may depend on a switch of the screen."""
        return self.listing

    def fixed(self) -> Mapping[str, str]:
        """Return the parameters that are always set; some depend on the screen's switch."""
        raise NotImplementedError

    def view(self) -> View[FailureQuery]:
        """Return the look at the list that the URL asks for."""
        return self.shown_list().view(request.args, self.path, FailureQuery, self.fixed())

    def listed(self, template: str, view: View[FailureQuery], **values: Any) -> str:
        """Return the page of the list."""
        page = read.page(self.site, view.query)
        return self.page(
            template,
            view=view,
            page=page,
            total=view.total(page, partial(read.count, self.site)),
            reasons=failure_reasons.of(self.site, [one.id for one in page.items]),
            names=failure_reasons.names(
                self.site, [one.integration for one in page.items if one.integration]
            ),
            selectable=self.visitor.may(Role.OPERATOR),
            bulk_url=f"{self.path}bulk",
            **values,
        )

    @route("/export.csv")
    def export(self) -> Response:
        """Stream what the filter finds as CSV."""
        view = self.view()
        if view.problems:
            raise Invalid([Fault("", problem) for problem in view.problems])
        rows = (
            [getattr(one, name) for name in _COLUMNS] for one in read.export(self.site, view.query)
        )
        return download.csv("failures.csv", _COLUMNS, rows)

    @route("/<int:number>")
    def show(self, number: int) -> Answer:
        """Show one failure: facts, trace, decisions, deliveries, history."""
        number = min(number, MAX_ID)
        one = read.one(self.site, number)
        if (one.kind is Kind.PROCESSING) != (self.path == PROCESSING):
            return redirect(f"{GLOBAL if self.path == PROCESSING else PROCESSING}{number}")
        told = parse(DeliveryQuery, {"failure": str(number), "limit": "20"})
        changed = parse(AuditQuery, {"kind": "failure", "name": str(number), "limit": "20"})
        names = failure_reasons.names(self.site, [one.integration] if one.integration else [])
        return self.page(
            "admin/failure.html",
            one=one,
            place=names.get(one.integration or ""),
            decisions=read.decided(self.site, number).items,
            told=deliveries.page(self.site, told).items,
            history=audit.page(self.site, changed).items,
        )

    @route("/<int:number>/trace.pdf")
    def pdf(self, number: int) -> Response:
        """Give the trace as a PDF, as mails attach it."""
        made = trace_file.made(self.site, min(number, MAX_ID))
        response = Response(made, content_type="application/pdf")
        response.headers["Content-Disposition"] = f'attachment; filename="trace-{number}.pdf"'
        return response

    @post("/<int:number>/delete", Role.OPERATOR)
    def delete(self, number: int) -> Answer:
        """Delete a failure with its history."""
        asked = unsure("It is deleted with its history; a repeat makes a new one.", "Delete")
        if asked:
            return asked
        failures.delete(self.site, number, self.actor)
        return self.done(self.path, "The failure was deleted.")

    @post("/<int:number>/resolve", Role.OPERATOR)
    def resolve(self, number: int) -> Answer:
        """Close a failure until it is reported again."""
        failures.resolve(self.site, number, self.actor)
        return self.done(f"{self.path}{number}", "The failure was marked resolved.")

    @post("/<int:number>/reset", Role.OPERATOR)
    def reset(self, number: int) -> Answer:
        """Count the retries of a failure from 0 again."""
        failures.reset_retries(self.site, number, self.actor)
        return self.done(f"{self.path}{number}", "Its retries are counted from 0 again.")

    @post("/bulk", Role.OPERATOR)
    def bulk(self) -> Answer:
        """Do something to the selected failures, or to all that match the filter."""
        try:
            action = Action(request.form.get("do", ""))
        except ValueError:
            return self.done(self.path, "Choose what to do.", "warning")
        which = self._chosen()
        if not which:
            return self.done(self.path, "Nothing was selected.", "warning")
        question, yes = _ASKS[action]
        asked = unsure(question, yes)
        if asked:
            return asked
        job = failure_bulk.start(self.site, self.actor, action, which)
        if job is None:
            return self.done(self.path, "Nothing matches any more.", "info")
        return self.done(f"/jobs/{job}", f"What was chosen is being {_DONE[action]}.", "info")

    def _chosen(self) -> list[int] | FailureQuery:
        """Return the ids of the boxes, or the filter where all that match are meant."""
        if request.form.get("every"):
            typed = {name[2:]: value for name, value in request.form.items() if name[:2] == "f."}
            view = self.shown_list().view(typed, self.path, FailureQuery, self.fixed())
            if view.problems:
                raise Invalid([Fault("", problem) for problem in view.problems])
            return view.query
        typed_ids = [one for one in request.form.getlist("row") if _ID.fullmatch(one)]
        return [number for one in typed_ids if (number := int(one)) <= MAX_ID]


def title_of(one: FailureDocument) -> str:
    """Return what a failure is called on its page."""
    return f"{one.error_code}: {one.message}" if one.error_code else one.message
