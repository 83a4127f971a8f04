"""API keys: made, shown once, revoked (api.md, Keys)."""

from __future__ import annotations

from flask import request

from app.domain.people import Role
from app.pages.fields import Field
from app.pages.forms import Form, tried
from app.pages.screen import UNPROCESSABLE, Answer, Screen, post, route, unsure
from app.secrets import Secret
from app.services import api_keys
from app.services.api_keys import Scope

_SCOPES = [
    (str(Scope.REPORT), "report: send failures, activity and events"),
    (str(Scope.READ), "read: read everything but secrets"),
    (str(Scope.OPERATE), "operate: what an operator may"),
    (str(Scope.ADMIN), "admin: everything"),
]
FORM = Form.made(
    Field(
        "/name",
        "Name",
        "text",
        required=True,
        help="What will use it, such as “Jira sync on host 3”.",
        longest=api_keys.MAX_NAME,
    ),
    Field(
        "/scopes", "Scope", "select", required=True, choices=_SCOPES, value=str(Scope.REPORT),
        default=str(Scope.REPORT),
    ),
    Field(
        "/integration",
        "Only for integration",
        "text",
        help="Key of the one integration that it may report for; empty: all of them.",
        nullable=True,
        shown_when={"/scopes": [str(Scope.REPORT)]},
        longest=api_keys.MAX_KEY,
    ),
)  # fmt: skip


class ApiKeys(Screen):
    """The keys; a new one is shown once, on the page that answers its making."""

    title, path, icon, section = "API keys", "/api-keys/", "key", "Administration"
    role = Role.ADMIN

    @route("/", Role.ADMIN)
    def index(self) -> str:
        """Show every key."""
        return self.page("admin/api_keys.html", keys=api_keys.listing(self.site))

    @route("/new", Role.ADMIN)
    def new(self) -> str:
        """Show the form of a new key."""
        return self.page("admin/api_key_form.html", form=FORM)

    @post("/new")
    def create(self) -> Answer:
        """Make a key and show it, for the only time."""

        def work() -> Secret:
            asked = FORM.read(request.form)
            return api_keys.create(
                self.site,
                asked.get("name", ""),
                [asked.get("scopes", "")],
                asked.get("integration"),
                actor=self.actor,
            )

        made, form = tried(FORM, request.form, work)
        if made is None:
            return self.page("admin/api_key_form.html", form=form), UNPROCESSABLE
        return self.page("admin/api_key_made.html", name=request.form["name"], key=made.reveal())

    @post("/revoke")
    def revoke(self) -> Answer:
        """Revoke a key; every process refuses it within a second."""
        name = request.form.get("name", "")
        asked = unsure(f"What uses the key {name} is refused from then on.", "Revoke")
        if asked:
            return asked
        api_keys.revoke(self.site, name, actor=self.actor)
        return self.done(self.path, f"The key {name} was revoked.")


SCREENS = (ApiKeys,)
