"""One's own account: name, time zone, theme, password, sessions."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from app.domain.cron import zones
from app.domain.people import Role, Theme
from app.errors import Fault, Invalid
from app.pages import access
from app.pages.access import needs
from app.pages.fields import Field
from app.pages.forms import Form, tried
from app.pages.screen import SEE_OTHER, UNPROCESSABLE
from app.services import people, sessions, sign_in
from app.services.installation import installation
from app.services.sessions import Visitor

pages = Blueprint("web_account", __name__)
TOO_MANY, YEAR = 429, 31_536_000
ACCOUNT = Form.made(
    Field("/name", "Name", "text"),
    Field("/zone", "Time zone", "select"),
    Field(
        "/theme", "Theme", "select", choices=[(str(one), str(one).capitalize()) for one in Theme]
    ),
)
PASSWORD = Form.made(
    Field("/old_password", "Current password", "password", required=True),
    Field(
        "/password",
        "New password",
        "password",
        required=True,
        help="At least 12 characters. All your other sessions end.",
    ),
)


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

    def work() -> bool:
        people.save_account(installation(), who.user_id, **values, actor=who.actor)
        return True

    done, form = tried(_account(who), request.form, work)
    if done is None:
        return _page(form, status=UNPROCESSABLE)
    flash("Your account is saved.", "success")
    return _with_theme(redirect("/account", SEE_OTHER), values["theme"])


@pages.post("/account/password")
@needs(Role.VIEWER)
def change_password() -> Response:
    """Change the password, for who knows the old one; all other sessions end."""
    who, site = access.visitor(), installation()
    old, new = request.form.get("old_password", ""), request.form.get("password", "")
    try:
        if sign_in.authenticate(site, who.email, old, request.remote_addr or "") is None:
            raise Invalid([Fault("/old_password", "is wrong")])
        people.set_password(site, who.user_id, new, actor=who.actor, keep=who.session)
    except Invalid as error:
        return _page(password=PASSWORD.with_faults(error.faults), status=UNPROCESSABLE)
    except sign_in.TooManyTries as error:
        form = PASSWORD.with_faults([Fault("", str(error))])
        return _page(password=form, status=TOO_MANY)
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


def _account(who: Visitor) -> Form:
    form = ACCOUNT.changed("/zone", choices=[(zone, zone) for zone in sorted(zones())])
    return form.with_values({"name": who.name, "zone": who.zone, "theme": who.theme})


def _page(account: Form | None = None, password: Form = PASSWORD, status: int = 200) -> Response:
    who = access.visitor()
    return make_response(
        render_template(
            "web/account.html",
            me=who,
            account=account or _account(who),
            password=password,
            sessions=sessions.listing(installation(), who.user_id),
        ),
        status,
    )
