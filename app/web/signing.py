"""Signing in and out, and the first admin by the one-time link."""

from __future__ import annotations

from flask import Blueprint, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from app.errors import Conflict, Fault, Invalid, NotFound
from app.pages import access
from app.pages.access import needs
from app.pages.fields import Field
from app.pages.forms import Form
from app.pages.screen import SEE_OTHER, UNPROCESSABLE
from app.services import first_admin, people, sign_in
from app.services.installation import installation

pages = Blueprint("web_signing", __name__)
TOO_MANY = 429
SIGN_IN = Form.made(
    Field("/email", "E-mail", "text", required=True),
    Field("/password", "Password", "password", required=True),
)
SETUP = SIGN_IN.changed("/email", help="You sign in with it.").changed(
    "/password", help="At least 12 characters."
)
# Which of the two, nobody is told.
WRONG = Fault("/email", "or password is wrong")


@pages.get("/sign-in")
@needs(None)
def show_sign_in() -> Response:
    """The form to sign in; without any user, where to find the one-time link."""
    if not people.anybody(installation()):
        return make_response(render_template("web/no_user.html"))
    target = access.local_path(request.args.get("next"))
    if access.maybe_visitor() is not None:
        return redirect(target, SEE_OTHER)
    return _form(SIGN_IN, target)


@pages.post("/sign-in")
@needs(None)
def do_sign_in() -> Response:
    """Sign in, and go on to where the visitor wanted to go."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    target = access.local_path(request.form.get("next"))
    form = SIGN_IN.with_typed(request.form)
    try:
        address = request.remote_addr or ""
        user_id = sign_in.authenticate(installation(), email, password, address)
    except sign_in.TooManyTries as error:
        answer = _form(form.with_faults([Fault("", str(error))]), target, TOO_MANY)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    if user_id is None:
        return _form(form.with_faults([WRONG]), target, UNPROCESSABLE)
    access.enter(user_id)
    return redirect(target, SEE_OTHER)


@pages.post("/sign-out")
@needs(None)
def do_sign_out() -> Response:
    """End the session."""
    access.leave()
    return redirect("/sign-in", SEE_OTHER)


@pages.get("/setup")
@needs(None)
def show_setup() -> Response:
    """The form for the first admin, for who holds the link; 404 once there is a user."""
    site, token = installation(), request.args.get("token", "")
    if people.anybody(site):
        abort(404)
    if not first_admin.is_right(site, token):
        return make_response(render_template("web/no_user.html", wrong=True), 403)
    return make_response(render_template("web/setup.html", form=SETUP, token=token))


@pages.post("/setup")
@needs(None)
def do_setup() -> Response:
    """Make the first admin, who is then signed in."""
    token, email = request.form.get("token", ""), request.form.get("email", "")
    site, form = installation(), SETUP.with_typed(request.form)
    if people.anybody(site):
        abort(404)
    try:
        user_id = first_admin.make(site, token, email, request.form.get("password", ""))
    except Invalid as error:
        form = form.with_faults(error.faults)
        page = render_template("web/setup.html", form=form, token=token)
        return make_response(page, UNPROCESSABLE)
    except (NotFound, Conflict):
        return make_response(render_template("web/no_user.html", wrong=True), 403)
    access.enter(user_id)
    return redirect("/", SEE_OTHER)


def _form(form: Form, target: str, status: int = 200) -> Response:
    return make_response(render_template("web/sign_in.html", form=form, next=target), status)
