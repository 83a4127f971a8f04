"""Global Failures: job failures of integrations, and the errors of Tocsin's own work (S1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from flask import request

from app.admin.failure_shared import DIRECTIONS, STATES, FailureScreen
from app.pages.filters import Choice, Period, Text
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import route

OTHER = "other"


class GlobalFailures(FailureScreen):
    """The list with its two-way switch."""

    title, path, icon = "Global Failures", "/failures/global/", "alert-triangle"
    listing: ClassVar[Listing] = Listing(
        columns=(
            Column("Integration"),
            Column("Entity name"),
            Column("Error message"),
            Column("Error code"),
            Column("Error count", "num"),
            Column("Last logged time"),
            Column("Notified"),
        ),
        filters=(
            Text("q", "Search", search=True),
            Text("integration", "Integration"),
            Choice("direction", "Direction", DIRECTIONS),
            Text("errorCode", "Error code"),
            Text("message", "Error message"),
            Choice("state", "State", STATES),
            Period(),
        ),
        empty=Empty("Nothing has failed", "Job failures of integrations are listed here."),
        noun="failure",
        nouns="failures",
        kept=("errorType",),
    )

    def fixed(self) -> Mapping[str, str]:
        """Return which of both sides of the switch is shown."""
        if request.values.get("errorType", request.form.get("f.errorType")) == OTHER:
            return {"errorType": OTHER}
        return {"errorType": "integration", "kind": "global"}

    @route("/")
    def index(self) -> str:
        """Show the failures of a filter, the last one first."""
        view = self.view()
        other = self.fixed()["errorType"] == OTHER
        return self.listed("admin/global_failures.html", view, other=other)


SCREENS = (GlobalFailures,)
