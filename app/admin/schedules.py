"""Schedules: when the Post Failure Notification job runs, its last runs, Run now and Pause (S1)."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import request
from werkzeug.wrappers import Response

from app.domain.cron import zones
from app.domain.kinds import RunCause
from app.domain.people import Role
from app.domain.schedule import ON_DEMAND
from app.pages.fields import Field
from app.pages.forms import Form, seen, tried, unchanged
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import UNPROCESSABLE, Answer, Screen, post, route, unsure
from app.services import configuring, dispatch, preferences
from app.services.named import Saved
from app.services.paging import PageQuery
from app.services.reading import runs
from app.services.schedule_shape import ScheduleBody
from app.services.schedules import SCHEDULES
from app.shapes import parse

MOST = 1000
INTERVAL, CRON = "interval", "cron"
_HOW = Field(
    "/how",
    "Runs by",
    "select",
    required=True,
    choices=[(INTERVAL, "an interval"), (CRON, "a cron line")],
    value=INTERVAL,
    default=INTERVAL,
)
_SHOWN = {
    "/every/n": {"/how": [INTERVAL]},
    "/every/unit": {"/how": [INTERVAL]},
    "/cron": {"/how": [CRON]},
    "/zone": {"/how": [CRON]},
}
RUNS = Listing(
    columns=(
        Column("Started"),
        Column("Cause"),
        Column("State"),
        Column("Took", "num"),
        Column("Considered", "num"),
        Column("Notified", "num"),
        Column("Held", "num"),
        Column("Skipped", "num"),
        Column("Failed", "num"),
    ),
    empty=Empty("No runs yet", "The job has not run yet.", "clock"),
    noun="run",
    nouns="runs",
    per_page=20,
)


@cache
def _empty_form() -> Form:
    form = Form.of(ScheduleBody, shown=_SHOWN, extra=[_HOW])
    form = form.changed("/name", title="Name", required=True, help="", nullable=False)
    form = form.changed("/every/n", title="Every", required=True, value="15")
    form = form.changed("/every/unit", title="Unit", value="minutes", help="")
    form = form.changed("/cron", required=True, nullable=False)
    listed = [(name, name) for name in sorted(zones())]
    return form.changed("/zone", kind="select", choices=listed, value="UTC")


def _document(form: Form) -> dict[str, Any]:
    document = form.read(request.form)
    document.pop("how", None)
    return document


class Schedules(Screen):
    """The schedules, with the runs of the one in use."""

    title, path, icon, section = "Schedules", "/schedules/", "calendar-time", "Configuration"

    @route("/")
    def index(self) -> str:
        """Show every schedule, when the one in use runs next, and the last runs."""
        items, _ = configuring.page(SCHEDULES, self.site, MOST, None)
        used = next((one for one in items if one["usedBy"]), None)
        view = RUNS.view(request.args, self.path, PageQuery)
        return self.page(
            "admin/schedules.html",
            schedules=sorted(items, key=lambda one: not one["usedBy"]),
            used=used,
            wishes=preferences.get(self.site).document,
            view=view,
            page=runs.page(self.site, view.query),
            total=None,
        )

    @route("/new", Role.ADMIN)
    def new(self) -> str:
        """Show the form of a new schedule."""
        return self._form(_empty_form(), None)

    @post("/new")
    def create(self) -> Answer:
        """Make a schedule."""
        form = _empty_form()

        def work() -> Any:
            body = parse(ScheduleBody, _document(form))
            return configuring.create(SCHEDULES, self.site, self.actor, body)

        saved, form = tried(form, request.form, work)
        if saved is None:
            return self._form(form, None), UNPROCESSABLE
        return self.done(self.path, f"The schedule {saved.document['name']} was made.")

    @route("/-/edit/<name:name>", Role.ADMIN)
    def edit(self, name: str) -> str:
        """Show the form of a schedule."""
        saved = configuring.get(SCHEDULES, self.site, name)
        given = {key: value for key, value in saved.document.items() if value is not None}
        form = _empty_form().with_values(given)
        how = CRON if saved.document["cron"] else INTERVAL
        return self._form(form.changed("/how", value=how), saved)

    @post("/-/edit/<name:name>")
    def update(self, name: str) -> Answer:
        """Change a schedule; new times hold at once."""
        there, condition = configuring.get(SCHEDULES, self.site, name), unchanged(request.form)
        form = _empty_form()

        def work() -> Any:
            nothing = {"every": None, "cron": None, "zone": None}
            changes = nothing | _document(form)
            return configuring.patch(SCHEDULES, self.site, self.actor, name, changes, condition)

        saved, form = tried(form, request.form, work)
        if saved is None:
            return self._form(form, there), UNPROCESSABLE
        return self.done(self.path, f"The schedule {saved.document['name']} was saved.")

    @post("/-/delete/<name:name>")
    def delete(self, name: str) -> Answer:
        """Delete a schedule that is not in use."""
        asked = unsure(f"The schedule {name} will be deleted.", "Delete")
        if asked:
            return asked
        configuring.delete(SCHEDULES, self.site, self.actor, name)
        return self.done(self.path, f"The schedule {name} was deleted.")

    @post("/-/use/<name:name>")
    def use(self, name: str) -> Response:
        """Let the job run by a schedule."""
        preferences.patch(self.site, self.actor, {preferences.SCHEDULE: name})
        if name == ON_DEMAND:
            warning = "The job runs by hand only: pending mail waits until you press Run now."
            return self.done(self.path, warning, "warning")
        return self.done(self.path, f"The job runs by {name} from now on.")

    @post("/run", Role.OPERATOR)
    def run_now(self) -> Response:
        """Start the job; its run shows in the list."""
        dispatch.request(self.site, RunCause.MANUAL)
        return self.done(self.path, "A run was asked for; it shows below.", "info")

    @post("/pause")
    def pause(self) -> Response:
        """Stop or go on with all sending."""
        paused = request.form.get("paused") == "yes"
        preferences.patch(self.site, self.actor, {"paused": paused})
        return self.done(self.path, "Sending is paused." if paused else "Sending goes on.")

    def _form(self, form: Form, saved: Saved | None) -> str:
        return self.page(
            "admin/schedule_form.html",
            form=form,
            document=saved.document if saved else None,
            version=seen(form, request.form, saved.version) if saved else None,
        )


SCREENS = (Schedules,)
