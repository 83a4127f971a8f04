"""The result of one Test, on a page that looks again until there is one."""

from __future__ import annotations

from flask import request

from app.pages.screen import Screen, back, route
from app.services.reading import deliveries


class Tests(Screen):
    """Results of tests; forms show the same part of this page."""

    title, path, shown = "Test", "/tests/", False

    @route("/<int:number>")
    def index(self, number: int) -> str:
        """Show how a test went."""
        one = deliveries.one(self.site, number)
        return self.page("admin/test.html", one=one, back=back("") if request.args else "")


SCREENS = (Tests,)
