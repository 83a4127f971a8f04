"""The form of a system, derived from its channel's own fields; Check and Test of what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from flask import request

from app.channels import CHANNELS, channel
from app.channels.base import CheckStep
from app.domain.people import Role
from app.errors import Forbidden, NotFound
from app.pages import fields, system_fields
from app.pages.forms import Form, seen, tried, unchanged
from app.pages.screen import UNPROCESSABLE, Answer, Screen, back, post, route
from app.services import checking, configuring, rotation, trial
from app.services.named import Saved
from app.services.reading import deliveries
from app.services.systems import SYSTEMS, SystemBody
from app.shapes import parse

T = TypeVar("T")
# Every kind of the product (spec: channels.md), with its icon; those without a channel come later.
KINDS = (
    ("smtp", "SMTP Mail Client", "mail"),
    ("pagerduty", "PagerDuty", "bell-ringing"),
    ("slack", "Slack", "brand-slack"),
    ("teams", "Microsoft Teams", "brand-teams"),
    ("servicenow", "ServiceNow", "tool"),
    ("webhook", "Webhook", "webhook"),
)
MOST = 1000


class SystemForm(Screen):
    """Create System, and the tab Settings of a system."""

    title, path, shown = "System Configuration", "/systems/", False

    @route("/new", Role.ADMIN)
    def new(self) -> str:
        """Show the six kinds, or the form of the one that was picked."""
        kind = request.args.get("kind")
        if kind is None:
            return self.page("admin/system_kinds.html", kinds=KINDS, there=CHANNELS, back=back(""))
        form = self._empty(kind, None)
        taken = dict(form["/fallback"].choices)
        first = channel(kind).title if channel(kind).title not in taken else ""
        return self._show(form.changed("/name", value=first), kind, None)

    @post("/new")
    def create(self) -> Answer:
        """Make a system, or check or test what would be made."""
        kind = request.form.get("kind", "")
        form = self._empty(kind, None)

        def save() -> Any:
            return configuring.create(SYSTEMS, self.site, self.actor, _body(form, kind))

        return self._do(form, kind, None, save)

    @route("/<name:name>")
    def edit(self, name: str) -> str:
        """Show the settings of a system."""
        form, kind, saved = self._saved(name)
        return self._show(form, kind, saved)

    @post("/-/check/<name:name>", Role.OPERATOR)
    def check(self, name: str) -> Answer:
        """Connect to a system as it is saved, and show what was found."""
        form, kind, saved = self._saved(name)
        steps = checking.check(self.site, name, None, may_lend=False)
        return self._show(form, kind, saved, steps=steps)

    @post("/<name:name>")
    def update(self, name: str) -> Answer:
        """Save a system, or check or test what would be saved."""
        form, kind, saved = self._saved(name)

        def save() -> Any:
            # What the form hides stays as it is; the status has a button of its own.
            changes = _document(form, kind, merging=True)
            condition = unchanged(request.form)
            return configuring.patch(SYSTEMS, self.site, self.actor, name, changes, condition)

        return self._do(form, kind, saved, save)

    def _saved(self, name: str) -> tuple[Form, str, Saved]:
        saved = configuring.get(SYSTEMS, self.site, name)
        kind = saved.document["kind"]
        return self._empty(kind, name).with_values(_plain(saved.document)), kind, saved

    def _do(self, form: Form, kind: str, there: Saved | None, save: Any) -> Answer:
        """Do what the pressed button says: save, check or test."""
        pressed = request.form.get("do", "save")
        if pressed == "save":
            saved, form = tried(form, request.form, save)
            if saved is None:
                return self._show(form, kind, there), UNPROCESSABLE
            name = saved.document["name"]
            made = saved.document["secrets"].get(rotation.NAME, {}).get("value")
            if made:
                url = f"{self.path}{fields.quoted(name)}"
                return self.page(
                    "admin/system_secret.html", name=name, secret=made, url=url, done=back(url)
                )
            return self.done(back(f"{self.path}{fields.quoted(name)}"), f"{name} was saved.")
        found, form = tried(form, request.form, lambda: self._try(form, kind, there, pressed))
        form = form.with_typed(request.form)
        if found is None:
            return self._show(form, kind, there), UNPROCESSABLE
        return self._show(form, kind, there, **found)

    def _try(self, form: Form, kind: str, there: Saved | None, pressed: str) -> dict[str, Any]:
        body = _body(form, kind)
        name = there.document["name"] if there else body.name or "unnamed"
        if pressed == "check":
            steps = checking.check(self.site, name, body, may_lend=True)
            return {"steps": steps}
        number = trial.of_system(self.site, name, self.actor, body, may_lend=True)
        return {"test": deliveries.one(self.site, number)}

    def _empty(self, kind: str, name: str | None) -> Form:
        if kind not in CHANNELS:
            raise NotFound(f"There is no kind of system {kind!r}.")
        items, _ = configuring.page(SYSTEMS, self.site, MOST, None)
        others = [(one["name"], one["name"]) for one in items if one["name"] != name]
        form = system_fields.form(kind).changed(
            "/fallback", choices=[("", "none"), *sorted(others)]
        )
        for one in form:
            # What only some options ask for is needed then; a saved one may be left as it is.
            if name is None and one.pointer.startswith("/secrets/") and one.shown_when:
                form = form.changed(one.pointer, required=True)
        return form

    def _show(
        self,
        form: Form,
        kind: str,
        there: Saved | None,
        *,
        steps: Sequence[CheckStep] = (),
        test: Any = None,
    ) -> str:
        if there is None and not self.visitor.may(Role.ADMIN):
            raise Forbidden("Making systems needs the role admin.")
        return self.page(
            "admin/system_form.html",
            form=form,
            kind=kind,
            title=channel(kind).title,
            system=there.document if there else None,
            version=seen(form, request.form, there.version) if there else None,
            steps=steps,
            test=test,
            back=back(""),
            opened=any(one.more and (one.error or one.value != fields.shown(one.default))
                       for one in form if one.pointer != "/version"),
        )  # fmt: skip


def _document(form: Form, kind: str, *, merging: bool = False) -> dict[str, Any]:
    typed = form.read(request.form, merging=merging)
    return {"kind": kind, "options": {}, "secrets": {}} | typed


def _body(form: Form, kind: str) -> SystemBody:
    return parse(SystemBody, _document(form, kind))


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with empty texts for what is null, as a form shows them."""
    return {key: "" if value is None else value for key, value in document.items()}


SCREENS = (SystemForm,)
