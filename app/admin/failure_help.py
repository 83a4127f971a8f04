"""Not getting failure mails? The chain from report to mailbox, walked live for one integration."""

from __future__ import annotations

from flask import request

from app.clock import utc_now
from app.errors import NotFound
from app.pages.screen import Screen, route
from app.services.reading import chain, failure_reasons


class FailureHelp(Screen):
    """The help of Error Management."""

    title, path, shown = "Not getting failure mails?", "/failures/help/", False

    @route("/")
    def index(self) -> str:
        """Walk the chain of the integration that was asked for."""
        key, links, problem = request.args.get("integration", ""), [], ""
        if key:
            try:
                links = chain.walk(self.site, key, utc_now())
            except NotFound as error:
                problem = str(error)
        return self.page(
            "admin/failure_help.html",
            asked=key,
            links=links,
            broken=chain.first_broken(links),
            problem=problem,
            choices=failure_reasons.choices(self.site),
        )


SCREENS = (FailureHelp,)
