"""Processing Failures: entities that failed to synchronise, also grouped by what is alike (S1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

from flask import request

from app.admin.failure_shared import DIRECTIONS, STATES, FailureScreen
from app.pages.filters import Choice, Period, Text, Whole
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import route
from app.services.reading.failure_groups import By, groups

GROUPS = (("", "Each"), ("message", "Message"), ("code", "Code"), ("integration", "Integration"))
# The filter that shows a group.
_PARAMETER = {"message": "wholeMessage", "code": "errorCode", "integration": "integration"}


class ProcessingFailures(FailureScreen):
    """The list, and its groups."""

    title, path, icon = "Processing Failures", "/failures/processing/", "list-details"
    listing: ClassVar[Listing] = Listing(
        columns=(
            Column("Integration"),
            Column("Error message"),
            Column("Error code"),
            Column("Entity id"),
            Column("Retry count", "num"),
            Column("Total retry count", "num"),
            Column("Last logged time"),
            Column("Notified"),
        ),
        filters=(
            Text("q", "Search", search=True),
            Text("entityId", "Entity id"),
            Text("errorCode", "Error code"),
            Text("message", "Error message"),
            Whole(),
            Text("integration", "Integration"),
            Choice("direction", "Direction", DIRECTIONS),
            Choice(
                "integrationStatus",
                "Integration is",
                (("active", "Active"), ("inactive", "Inactive")),
            ),
            Choice("state", "State", STATES),
            Period(),
        ),
        empty=Empty("Nothing has failed", "Entities that fail to synchronise are listed here."),
        noun="failure",
        nouns="failures",
        kept=("group",),
    )

    def fixed(self) -> Mapping[str, str]:
        """Return the kind, which is always set."""
        return {"kind": "processing"}

    @route("/")
    def index(self) -> str:
        """Show the failures of a filter, each or in groups."""
        view, by = self.view(), request.args.get("group", "")
        if by not in _PARAMETER:
            return self.listed("admin/processing_failures.html", view, choices=GROUPS)
        found = groups(self.site, view.query, cast("By", by))
        return self.page(
            "admin/failure_groups.html",
            view=view,
            total=None,
            found=found,
            by=dict(GROUPS)[by],
            parameter=_PARAMETER[by],
            choices=GROUPS,
        )


SCREENS = (ProcessingFailures,)
