"""The built-in Tocsin system: when the job runs, and what Tocsin's own mail goes by (S1)."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import request

from app.domain.people import Role
from app.domain.schedule import ON_DEMAND
from app.pages.forms import Form, seen, tried, unchanged
from app.pages.screen import UNPROCESSABLE, Answer, Screen, post, route
from app.services import configuring, preferences
from app.services.preferences import PreferencesBody
from app.services.schedules import SCHEDULES
from app.services.systems import MAIL_KINDS, SYSTEMS

MOST = 1000


@cache
def _form() -> Form:
    form = Form.of(PreferencesBody)
    return form.only([pointer for pointer in form.fields if pointer != "/paused"])


class TocsinSystem(Screen):
    """The one form of the built-in system, which nobody can delete."""

    title, path, shown = "Tocsin system", "/tocsin/", False

    @route("/")
    def index(self) -> str:
        """Show the settings."""
        return self._show(*self._filled())

    @post("/")
    def save(self) -> Answer:
        """Save the settings; a new schedule holds at once."""
        form, version = self._filled()

        def work() -> Any:
            changes = form.read(request.form, merging=True)
            condition = unchanged(request.form)
            return preferences.patch(self.site, self.actor, changes, condition)

        saved, form = tried(form, request.form, work)
        if saved is None:
            return self._show(form, version), UNPROCESSABLE
        if saved.document[preferences.SCHEDULE] == ON_DEMAND:
            warning = "Saved. The job runs by hand only: pending mail waits for Run now."
            return self.done("/systems/", warning, "warning")
        return self.done("/systems/", "Tocsin was saved.")

    def _filled(self) -> tuple[Form, str]:
        systems, _ = configuring.page(SYSTEMS, self.site, MOST, None)
        schedules, _ = configuring.page(SCHEDULES, self.site, MOST, None)
        mail = sorted(one["name"] for one in systems if one["kind"] in MAIL_KINDS)
        form = _form().changed(
            "/postNotificationSchedule",
            kind="select",
            required=True,
            choices=[(one["name"], f"{one['name']} ({one['sentence']})") for one in schedules],
        )
        form = form.changed(
            "/smtpSystemForNotification",
            kind="select",
            choices=[("", "none"), *((name, name) for name in mail)],
        )
        saved = preferences.get(self.site)
        return form.with_values(saved.document), saved.version

    def _show(self, form: Form, version: str) -> str:
        return self.page(
            "admin/tocsin_system.html",
            form=form,
            allowed=self.visitor.may(Role.ADMIN),
            version=seen(form, request.form, version),
        )


SCREENS = (TocsinSystem,)
