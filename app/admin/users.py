"""Users: who may sign in, and what they may do (product.md 12)."""

from __future__ import annotations

from typing import Any

from flask import request

from app.domain.people import Role
from app.pages.fields import Field
from app.pages.forms import Form, seen, tried, unchanged
from app.pages.screen import UNPROCESSABLE, Answer, Screen, post, route, unsure
from app.services import people
from app.services.people import UserRow

_ROLES = [
    (str(Role.VIEWER), "Viewer: reads"),
    (str(Role.OPERATOR), "Operator: also retries, tests, registers, deletes failures"),
    (str(Role.ADMIN), "Admin: also systems, schedules, users, API keys"),
]
_NAME = Field("/name", "Name", "text", longest=people.MAX_NAME)
_ROLE = Field("/role", "Role", "select", required=True, choices=_ROLES, value=str(Role.VIEWER))
_ACTIVE = Field(
    "/active",
    "May sign in",
    "yesno",
    help="No: signing in is refused, and open sessions end at once.",
    choices=[("yes", "Yes"), ("no", "No")],
    value="yes",
)
_PASSWORD = Field(
    "/password",
    "First password",
    "password",
    required=True,
    help="At least 12 characters. Tell it to the person, who changes it under the own account.",
)
NEW = Form.made(Field("/email", "E-mail", "text", required=True), _NAME, _ROLE, _PASSWORD)
EDIT = Form.made(_NAME, _ROLE, _ACTIVE)
RESET = Form.made(
    Field("/password", "New password", "password", required=True, help="At least 12 characters.")
)


class Users(Screen):
    """The users, and the forms to make and change them."""

    title, path, icon, section = "Users", "/users/", "users", "Administration"
    role = Role.ADMIN

    @route("/", Role.ADMIN)
    def index(self) -> str:
        """Show every user."""
        return self.page("admin/users.html", users=people.listing(self.site))

    @route("/new", Role.ADMIN)
    def new(self) -> str:
        """Show the form of a new user."""
        return self.page("admin/user_form.html", form=NEW, user=None)

    @post("/new")
    def create(self) -> Answer:
        """Make a user."""
        given = request.form

        def work() -> int:
            return people.create(
                self.site,
                email=given.get("email", ""),
                password=given.get("password", ""),
                name=given.get("name", ""),
                role=given.get("role", ""),
                actor=self.actor,
            )

        made, form = tried(NEW, given, work)
        if made is None:
            return self.page("admin/user_form.html", form=form, user=None), UNPROCESSABLE
        return self.done(self.path, f"{given['email']} may sign in now.")

    @route("/<int:number>", Role.ADMIN)
    def edit(self, number: int) -> str:
        """Show the forms of a user."""
        user = people.get(self.site, number)
        return self._forms(user, EDIT.with_values(_document(user)), RESET)

    @post("/<int:number>")
    def update(self, number: int) -> Answer:
        """Change role, name, or whether the user may sign in."""
        user, given = people.get(self.site, number), request.form

        def work() -> bool:
            people.update(
                self.site,
                number,
                name=given.get("name", ""),
                role=given.get("role", ""),
                disabled=given.get("active") != "yes",
                actor=self.actor,
                condition=unchanged(given),
            )
            return True

        done, form = tried(EDIT.with_values(_document(user)), given, work)
        if done is None:
            return self._forms(user, form, RESET), UNPROCESSABLE
        return self.done(self.path, f"{user.email} was saved.")

    @post("/<int:number>/password")
    def reset(self, number: int) -> Answer:
        """Give a user a new password; all sessions of that user end."""
        user = people.get(self.site, number)
        typed = request.form.get("password", "")

        def work() -> bool:
            keep = self.visitor.session if number == self.visitor.user_id else None
            people.set_password(self.site, number, typed, actor=self.actor, keep=keep)
            return True

        done, form = tried(RESET, request.form, work)
        if done is None:
            return self._forms(user, EDIT.with_values(_document(user)), form), UNPROCESSABLE
        return self.done(self.path, f"{user.email} has a new password.")

    @post("/<int:number>/delete")
    def delete(self, number: int) -> Answer:
        """Remove a user."""
        user = people.get(self.site, number)
        asked = unsure(f"{user.email} will not be able to sign in any more.", "Delete")
        if asked:
            return asked
        people.remove(self.site, number, actor=self.actor)
        return self.done(self.path, f"{user.email} was deleted.")

    def _forms(self, user: UserRow, form: Form, reset: Form) -> str:
        version = seen(form, request.form, people.version(user))
        return self.page("admin/user_form.html", form=form, reset=reset, user=user, version=version)


def _document(user: UserRow) -> dict[str, Any]:
    return {"name": user.name, "role": str(user.role), "active": user.disabled_at is None}


SCREENS = (Users,)
