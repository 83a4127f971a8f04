"""Audit log: who changed what, when; secrets are masked (product.md 12)."""

from __future__ import annotations

from flask import request

from app.domain.people import Role
from app.pages.filters import Choice, Period, Text
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import Screen, route
from app.services.reading import audit
from app.services.reading.audit import AuditQuery

_KINDS = (
    "system",
    "integration",
    "registration",
    "schedule",
    "settings",
    "user",
    "API key",
    "failure",
    "delivery",
)
LISTING = Listing(
    columns=(
        Column("When"),
        Column("Who"),
        Column("Did"),
        Column("Thing"),
        Column("Changes"),
    ),
    filters=(
        Choice("kind", "Kind", [(kind, kind.capitalize()) for kind in _KINDS]),
        Text("name", "Name"),
        Text("actor", "Who"),
        Period(),
    ),
    empty=Empty("No changes yet", "Every change of the configuration stands here.", "history"),
    noun="change",
    nouns="changes",
)


class AuditLog(Screen):
    """Every change of the configuration, for a year."""

    title, path, icon, section = "Audit log", "/audit-log/", "history", "Administration"
    role = Role.ADMIN
    listing = LISTING

    @route("/", Role.ADMIN)
    def index(self) -> str:
        """Show the changes of a filter, newest first."""
        view = LISTING.view(request.args, self.path, AuditQuery)
        page = audit.page(self.site, view.query)
        return self.page("admin/audit_log.html", view=view, page=page, total=None)


SCREENS = (AuditLog,)
