"""The one base of all screens: a Flask-Admin view with our access rules, markup and errors.

    class Schedules(Screen):
        title, path, icon, section = "Schedules", "/schedules/", "calendar-time", "Configuration"

        @route("/")
        def index(self) -> str:
            return self.page("admin/schedules.html", items=...)

Flask-Admin keeps the views, their menu and their access; none of its templates or static files is
ever reached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from flask import Blueprint, flash, g, redirect, render_template, request
from flask_admin import BaseView, expose
from werkzeug.wrappers import Response

from app.domain.people import Role
from app.pages.access import needs, visitor
from app.pages.lists import Listing
from app.services.installation import Installation, installation
from app.services.sessions import Visitor

F = TypeVar("F", bound=Callable[..., Any])
Answer = str | Response | tuple[str, int]
SEE_OTHER, UNPROCESSABLE = 303, 422


def route(
    rule: str, role: Role = Role.VIEWER, methods: tuple[str, ...] = ("GET",)
) -> Callable[[F], F]:
    """Declare the decorated method of a Screen as a route that `role` is needed for."""

    def declare(view: F) -> F:
        marked: F = expose(rule, methods=methods)(needs(role)(view))
        return marked

    return declare


def post(rule: str, role: Role = Role.ADMIN) -> Callable[[F], F]:
    """Declare a route that changes something: POST only, with CSRF protection by the gate."""
    return route(rule, role, ("POST",))


class Screen(BaseView):  # type: ignore[misc] # it comes without types
    """One screen of the administration; a subclass says its place and declares its routes.

    `section` is its heading in the navigation (None: on top), `shown` whether it stands there.
    `listing` is the list at its path, where that has filters: looks at it can be saved.
    """

    title: ClassVar[str]
    path: ClassVar[str]
    icon: ClassVar[str] = ""
    section: ClassVar[str | None] = None
    shown: ClassVar[bool] = True
    role: ClassVar[Role] = Role.VIEWER
    listing: ClassVar[Listing | None] = None

    def __init__(self) -> None:
        name = type(self).__name__.lower()
        # Flask-Admin wants a view at the address itself, also where another screen has that.
        self._default_view = getattr(self, "_default_view", None) or name
        super().__init__(name=self.title, category=self.section, endpoint=name, url=self.path)

    def create_blueprint(self, admin: Any) -> Blueprint:
        """Return the routes of this screen, without the templates and files of Flask-Admin."""
        self.admin = admin
        self.blueprint = Blueprint(self.endpoint, __name__)
        for rule, name, methods in self._urls:
            self.blueprint.add_url_rule(
                self.path.rstrip("/") + rule, name, getattr(self, name), methods=methods
            )
        return self.blueprint

    def is_visible(self) -> bool:
        """Whether it stands in the navigation."""
        return self.shown

    def is_accessible(self) -> bool:
        """Whether the visitor may see it; each route has its own rule besides (the gate)."""
        return visitor().may(self.role)

    def _handle_view(self, _view: str, /, **_arguments: Any) -> None:
        """The gate has decided already; positional, as a route may have an argument `name`."""

    def _run_view(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a route; what our services refuse becomes a page that leads back to this screen."""
        g.screen = self
        return fn(self, *args, **kwargs)

    @property
    def site(self) -> Installation:
        """The installation that this request is for."""
        return installation()

    @property
    def visitor(self) -> Visitor:
        """Who asks."""
        return visitor()

    @property
    def actor(self) -> str:
        """The name of who asks, for the audit log."""
        return visitor().actor

    def page(self, template: str, **values: Any) -> str:
        """Return `template` with what every page of this screen shows."""
        return render_template(template, screen=self, **values)

    def done(self, url: str, message: str, kind: str = "success") -> Response:
        """Say `message` on the page that follows a change: `kind` success, warning or info."""
        flash(message, kind)
        return go(url)


def unsure(question: str, yes: str) -> str | None:
    """Return the page that asks before a destructive step; None: `sure` was sent with the form.

    With JavaScript a dialog has asked already. What was sent is sent again with the answer.
    """
    if request.form.get("sure"):
        return None
    sent = [(k, v) for k, v in request.form.items(multi=True) if k not in {"csrf_token", "sure"}]
    here = g.screen
    return render_template(
        "shell/sure.html",
        question=question,
        yes=yes,
        sent=sent,
        screen=here,
        back=back(here.path),
    )


def go(url: str) -> Response:
    """Send the browser to `url` of ours after a POST; from a dialog, the whole page goes there."""
    if "X-Fragment" in request.headers:
        return Response(status=204, headers={"X-Location": url})
    return redirect(url, SEE_OTHER)


def back(default: str) -> str:
    """Return the local page that the form was sent from (its field `back`), or `default`."""
    wanted = request.values.get("back", "")
    local = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if local and wanted.isprintable() else default
