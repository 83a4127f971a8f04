"""Global Failures: job failures of integrations, and the errors of Tocsin's own work (S1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from flask import request

from app.admin.failure_shared import DIRECTIONS, GLOBAL, INTEGRATION, STATES, FailureScreen
from app.pages.filters import Choice, Period, Text
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import route

OTHER = "other"


class GlobalFailures(FailureScreen):
    """The list with its two-way switch."""

    title, path, icon = "Global Failures", GLOBAL, "alert-triangle"
    listing: ClassVar[Listing] = Listing(
        columns=(
            Column("Integration"),
            Column("Entity name", "hide-narrow"),
            Column("Error message"),
            Column("Error code"),
            Column("Error count", "num"),
            Column("Last logged time"),
            Column("Notified"),
        ),
        filters=(
            Text("q", "Search", search=True),
            INTEGRATION,
            Choice("direction", "Direction", DIRECTIONS),
            Choice("state", "State", STATES),
            Text("errorCode", "Error code"),
            Text("message", "Error message"),
            Period(cycles=True),
        ),
        empty=Empty("Nothing has failed", "Job failures of integrations are listed here."),
        noun="failure",
        nouns="failures",
        kept=("errorType",),
    )
    others: ClassVar[Listing] = Listing(
        columns=(
            Column("System"),
            Column("Error message"),
            Column("Reason"),
            Column("Waiting", "num"),
            Column("Error count", "num"),
            Column("Last logged time"),
        ),
        filters=(
            Text("q", "Search", search=True),
            Text("message", "Error message"),
            Choice("state", "State", STATES),
            Period(),
        ),
        empty=Empty("Everything can be sent", "What Tocsin itself could not do is listed here."),
        noun="error",
        nouns="errors",
        kept=("errorType",),
    )

    def shown_list(self) -> Listing:
        """Return the list of the side of the switch that is shown."""
        return self.others if self._other() else self.listing

    def fixed(self) -> Mapping[str, str]:
        """Return which of both sides of the switch is shown."""
        return (
            {"errorType": OTHER}
            if self._other()
            else {"errorType": "integration", "kind": "global"}
        )

    def _other(self) -> bool:
        return request.values.get("errorType", request.form.get("f.errorType")) == OTHER

    @route("/")
    def index(self) -> str:
        """Show the failures of a filter, the last one first."""
        view = self.view()
        return self.listed("admin/global_failures.html", view, other=self._other())


SCREENS = (GlobalFailures,)
