"""Processing Failures: entities that failed to synchronise, also grouped by what is alike (S1)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, cast

from flask import request

from app.admin.failure_shared import DIRECTIONS, INTEGRATION, PROCESSING, STATES, FailureScreen
from app.pages.filters import Choice, Hidden, Period, Text
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import route
from app.services.reading.failure_groups import By, groups

GROUPS = (("", "Each"), ("message", "Message"), ("code", "Code"), ("integration", "Integration"))
# The filter that shows a group of one value.
_PARAMETER = {"message": "wholeMessage", "code": "errorCode", "integration": "integration"}


class ProcessingFailures(FailureScreen):
    """The list, and its groups."""

    title, path, icon = "Processing Failures", PROCESSING, "list-details"
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
            INTEGRATION,
            Choice("direction", "Direction", DIRECTIONS),
            Choice("state", "State", STATES),
            Text("entityId", "Entity id"),
            Text("errorCode", "Error code"),
            Hidden("hasErrorCode", "Error code", (("true", "any"), ("false", "none"))),
            Text("message", "Error message"),
            Hidden("wholeMessage", "Exactly this message"),
            Choice(
                "integrationStatus",
                "Integration is",
                (("active", "Active"), ("inactive", "Inactive")),
            ),
            Period(cycles=True),
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
            filter_of=partial(_filter_of, by),
            choices=GROUPS,
        )


def _filter_of(by: str, key: str | None) -> tuple[str, str]:
    """Return the filter that shows a group; only a code may be missing."""
    return ("hasErrorCode", "false") if key is None else (_PARAMETER[by], key)


SCREENS = (ProcessingFailures,)
