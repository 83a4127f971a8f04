"""One's own account: name, time zone, theme, password, sessions."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from app.domain.cron import zones
from app.domain.people import Role, Theme
from app.errors import Fault, Invalid
from app.pages import access
from app.pages.access import needs
from app.services import people, sessions, sign_in
from app.services.installation import installation
from app.web.forms import UNPROCESSABLE, Form

pages = Blueprint("web_account", __name__)
SEE_OTHER, TOO_MANY, YEAR = 303, 429, 31_536_000
_TITLES = {"name": "The name", "zone": "The time zone", "theme": "The theme"}


@pages.get("/account")
@needs(Role.VIEWER)
def show() -> Response:
    """The account with its forms."""
    return _page()


@pages.post("/account")
@needs(Role.VIEWER)
def save() -> Response:
    """Save name, time zone and theme."""
    who = access.visitor()
    values = {name: request.form.get(name, "") for name in ("name", "zone", "theme")}
    try:
        people.save_account(installation(), who.user_id, **values, actor=who.actor)
    except Invalid as error:
        return _page(Form(values).refused(error.faults, _TITLES), status=UNPROCESSABLE)
    flash("Your account is saved.", "success")
    return _with_theme(redirect("/account", SEE_OTHER), values["theme"])


@pages.post("/account/password")
@needs(Role.VIEWER)
def change_password() -> Response:
    """Change the password, for who knows the old one; all other sessions end."""
    who, site, form = access.visitor(), installation(), Form()
    old, new = request.form.get("old_password", ""), request.form.get("password", "")
    try:
        if sign_in.authenticate(site, who.email, old, request.remote_addr or "") is None:
            raise Invalid([Fault("/old_password", "The current password is wrong.")])
        people.set_password(site, who.user_id, new, actor=who.actor, keep=who.session)
    except Invalid as error:
        form = form.refused(error.faults, {"password": "The new password"})
        return _page(password=form, status=UNPROCESSABLE)
    except sign_in.TooManyTries as error:
        return _page(password=Form(errors={"": str(error)}), status=TOO_MANY)
    flash("Your password is changed; all other sessions have ended.", "success")
    return redirect("/account", SEE_OTHER)


@pages.post("/account/sessions/end")
@needs(Role.VIEWER)
def end_session() -> Response:
    """End one of the visitor's own sessions."""
    who = access.visitor()
    sessions.end(installation(), who.user_id, request.form.get("session", ""))
    flash("The session has ended.", "success")
    return redirect("/account", SEE_OTHER)


@pages.post("/theme")
@needs(None)
def set_theme() -> Response:
    """Change the theme, here and for the next visit, and go back to the page."""
    theme, who = request.form.get("theme", ""), access.maybe_visitor()
    if theme in set(Theme) and who is not None:
        me = {"name": who.name, "zone": who.zone, "theme": theme}
        people.save_account(installation(), who.user_id, **me, actor=who.actor)
    back = access.local_path(request.form.get("back"))
    return _with_theme(redirect(back, SEE_OTHER), theme)


def _with_theme(answer: Response, theme: str) -> Response:
    """Let the pages before the sign-in have the theme, too."""
    if theme in set(Theme):
        secure = installation().settings.public_url.startswith("https:")
        answer.set_cookie("theme", theme, YEAR, secure=secure, httponly=True, samesite="Lax")
    return answer


def _page(account: Form | None = None, password: Form | None = None, status: int = 200) -> Response:
    who = access.visitor()
    mine = {"name": who.name, "zone": who.zone, "theme": who.theme}
    return make_response(
        render_template(
            "web/account.html",
            me=who,
            account=account or Form(mine),
            password=password or Form(),
            sessions=sessions.listing(installation(), who.user_id),
            zones=sorted(zones()),
            themes=list(Theme),
        ),
        status,
    )
