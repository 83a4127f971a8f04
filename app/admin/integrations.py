"""Integrations: what is monitored, where each direction stands, and who is told (screens.md)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from flask import request
from werkzeug.wrappers import Response

from app.domain.kinds import Kind
from app.domain.people import Role
from app.errors import Fault, Invalid
from app.pages import download
from app.pages.filters import Choice, Text
from app.pages.forms import Form, seen, tried, unchanged
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import UNPROCESSABLE, Answer, Screen, back, post, route, unsure
from app.rendering.registration_words import registration_sentence
from app.services import activating, configuring, integrations
from app.services.integration_shape import IntegrationBody
from app.services.integrations import INTEGRATIONS
from app.services.reading import integration_of, integrations_list
from app.services.reading.integrations_list import IntegrationQuery, IntegrationRow
from app.shapes import parse

SHOWS = (
    ("", "All"),
    ("unregistered", "Not registered"),
    ("failing", "Failing"),
    ("silent", "Silent"),
    ("inactive", "Inactive"),
)
LISTING = Listing(
    columns=(
        Column("Name"),
        Column("Systems", "hide-narrow"),
        Column("Direction"),
        Column("Last activity", "hide-narrow"),
        Column("Health"),
        Column("Notification"),
        Column("Actions", hidden_title=True),
    ),
    filters=(
        Text("q", "Search", search=True),
        Choice("show", "Show", SHOWS[1:]),
    ),
    noun="integration",
    nouns="integrations",
    empty=Empty("No integrations yet", icon="plug-connected"),
)
_FIELDS = ("/key", "/name", "/system1", "/system2", "/bidirectional", "/maxRetryCount")
_ACTIVATED = {"forward": "Forward", "backward": "Backward"}
_LAST = 5
_OF_A_SIDE = ("active", "health", "last_activity_at", "open_failures")
_CSV = (
    "key", "name", "system1", "system2",
    *(f"forward_{name}" for name in _OF_A_SIDE), *(f"backward_{name}" for name in _OF_A_SIDE),
    "registered", "system", "recipients",
)  # fmt: skip


@cache
def _empty_form(*, new: bool) -> Form:
    # The two systems of an integration are names only: they are the customer's.
    form = Form.of(IntegrationBody).only(_FIELDS if new else _FIELDS[1:])
    if new:
        said = "How reports name it. It cannot be changed."
        form = form.changed("/key", title="Key", required=True, nullable=False, help=said)
    form = form.changed("/name", title="Name", help="Left empty, it is the key.")
    form = form.changed("/system1", title="System 1").changed("/system2", title="System 2")
    form = form.changed("/bidirectional", title="Runs both ways")
    return form.changed("/maxRetryCount", title="Max retry count", required=True)


class Integrations(Screen):
    """The list, one integration, and adding, changing, activating and deleting it."""

    title, path, icon = "Integrations", "/integrations/", "plug-connected"
    listing = LISTING

    @route("/")
    def index(self) -> str:
        """Show the integrations of a filter."""
        view = LISTING.view(request.args, self.path, IntegrationQuery)
        page = integrations_list.page(self.site, view.query)
        return self.page(
            "admin/integrations.html",
            view=view,
            page=page,
            total=view.total(page, partial(integrations_list.count, self.site)),
            shows=SHOWS,
            selectable=self.visitor.may(Role.OPERATOR),
            bulk_url=f"{self.path}bulk/",
            example=_example(self.site.settings.public_url),
        )

    @route("/export.csv")
    def export(self) -> Response:
        """Stream what the filter finds as CSV."""
        view = LISTING.view(request.args, self.path, IntegrationQuery)
        if view.problems:
            raise Invalid([Fault("", problem) for problem in view.problems])
        rows = (list(_cells(one)) for one in integrations_list.export(self.site, view.query))
        return download.csv("integrations.csv", _CSV, rows)

    @route("/<int:integration_id>")
    def show(self, integration_id: int) -> str:
        """Show one integration; mails link to this page."""
        found = integration_of.of(self.site, integration_id)
        kinds = (Kind.GLOBAL, Kind.PROCESSING)
        return self.page(
            "admin/integration.html",
            found=found,
            one=found.document,
            sentence=registration_sentence(found.registered) if found.registered else None,
            failures={
                str(kind): integration_of.last_failures(self.site, found.key, kind, _LAST)
                for kind in kinds
            },
        )

    @route("/new", Role.ADMIN)
    def new(self) -> str:
        """Show the form of a new integration."""
        return self._form(_empty_form(new=True))

    @post("/new")
    def create(self) -> Answer:
        """Add an integration by hand."""
        form = _empty_form(new=True)

        def work() -> Any:
            body = parse(IntegrationBody, form.read(request.form))
            return configuring.create(INTEGRATIONS, self.site, self.actor, body)

        saved, form = tried(form, request.form, work)
        if saved is None:
            return self._form(form), UNPROCESSABLE
        url = f"{self.path}{saved.document['id']}"
        return self.done(url, f"The integration {saved.document['name']} was added.")

    @route("/<int:integration_id>/edit", Role.ADMIN)
    def edit(self, integration_id: int) -> str:
        """Show the form of an integration."""
        found = integration_of.of(self.site, integration_id)
        return self._form(_empty_form(new=False).with_values(found.document), found)

    @post("/<int:integration_id>/edit")
    def update(self, integration_id: int) -> Answer:
        """Change an integration."""
        found = integration_of.of(self.site, integration_id)
        form, condition = _empty_form(new=False), unchanged(request.form)

        def work() -> Any:
            changes = form.read(request.form, merging=True)
            changes["name"] = changes.get("name") or found.key
            site, actor, key = self.site, self.actor, found.key
            return configuring.patch(INTEGRATIONS, site, actor, key, changes, condition)

        saved, form = tried(form, request.form, work)
        if saved is None:
            return self._form(form, found), UNPROCESSABLE
        url = f"{self.path}{integration_id}"
        return self.done(url, f"The integration {saved.document['name']} was saved.")

    @post("/<int:integration_id>/activate")
    def activate(self, integration_id: int) -> Answer:
        """Activate one direction."""
        return self._switched(integration_id, "active")

    @post("/<int:integration_id>/inactivate")
    def inactivate(self, integration_id: int) -> Answer:
        """Inactivate one direction: its failures are stored, and not told."""
        return self._switched(integration_id, "inactive")

    @post("/<int:integration_id>/delete")
    def delete(self, integration_id: int) -> Answer:
        """Delete an integration that is not registered, with its failures."""
        found = integration_of.of(self.site, integration_id)
        question = f"The integration {found.name} will be deleted with all of its failures."
        asked = unsure(question, "Delete")
        if asked:
            return asked
        integrations.delete(self.site, self.actor, found.key)
        return self.done(self.path, f"The integration {found.name} was deleted.")

    def _switched(self, integration_id: int, status: str) -> Answer:
        found = integration_of.of(self.site, integration_id)
        direction = request.form.get("direction", "forward")
        if direction != "backward" or not found.bidirectional:
            direction = "forward"
        activating.change(self.site, self.actor, found.key, status, direction)
        said = f"{_ACTIVATED[direction]} of {found.name} is {status}."
        return self.done(back(f"{self.path}{integration_id}"), said)

    def _form(self, form: Form, found: integration_of.Found | None = None) -> str:
        version = seen(form, request.form, found.version) if found else None
        return self.page("admin/integration_form.html", form=form, found=found, version=version)


def _cells(one: IntegrationRow) -> Iterator[object]:
    """Yield a row of CSV; the backward side of what runs one way is empty."""
    yield from (one.key, one.name, one.system1, one.system2)
    for number in (0, 1):
        there = number < len(one.directions)
        yield from (getattr(one.directions[number], name) if there else None for name in _OF_A_SIDE)
    yield from (one.registered, one.system, ", ".join(one.recipients))


def _example(url: str) -> str:
    """Return a command that reports a first failure."""
    return (
        f"curl -sS -X POST {url}/api/v1/integrations/my-first/failures \\\n"
        "  -H 'Authorization: Bearer YOUR_KEY' -H 'Content-Type: application/json' \\\n"
        """  -d '{"kind": "global", "message": "The first failure"}'"""
    )


SCREENS = (Integrations,)
