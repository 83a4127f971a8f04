"""Signing in and out, and the first admin by the one-time link."""

from __future__ import annotations

from flask import Blueprint, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from app.errors import Conflict, Invalid, NotFound
from app.pages import access
from app.pages.access import needs
from app.services import first_admin, people, sign_in
from app.services.installation import installation
from app.web.forms import UNPROCESSABLE, Form

pages = Blueprint("web_signing", __name__)
SEE_OTHER, TOO_MANY = 303, 429
WRONG = "The e-mail or the password is wrong."


@pages.get("/sign-in")
@needs(None)
def show_sign_in() -> Response:
    """The form to sign in; without any user, where to find the one-time link."""
    if not people.anybody(installation()):
        return make_response(render_template("web/no_user.html"))
    target = access.local_path(request.args.get("next"))
    if access.maybe_visitor() is not None:
        return redirect(target, SEE_OTHER)
    return _form(Form({"next": target}))


@pages.post("/sign-in")
@needs(None)
def do_sign_in() -> Response:
    """Sign in, and go on to where the visitor wanted to go."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    target = access.local_path(request.form.get("next"))
    form = Form({"email": email[: people.MAX_EMAIL], "next": target})
    try:
        address = request.remote_addr or ""
        user_id = sign_in.authenticate(installation(), email, password, address)
    except sign_in.TooManyTries as error:
        answer = _form(Form(form.values, {"": str(error)}), TOO_MANY)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    if user_id is None:
        return _form(Form(form.values, {"email": WRONG}), UNPROCESSABLE)
    access.leave()
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
    return make_response(render_template("web/setup.html", form=Form({"token": token})))


@pages.post("/setup")
@needs(None)
def do_setup() -> Response:
    """Make the first admin, who is then signed in."""
    token, email = request.form.get("token", ""), request.form.get("email", "")
    site, form = installation(), Form({"token": token, "email": email[: people.MAX_EMAIL]})
    if people.anybody(site):
        abort(404)
    try:
        user_id = first_admin.make(site, token, email, request.form.get("password", ""))
    except Invalid as error:
        form = form.refused(error.faults, {"password": "The password"})
        return make_response(render_template("web/setup.html", form=form), UNPROCESSABLE)
    except (NotFound, Conflict):
        return make_response(render_template("web/no_user.html", wrong=True), 403)
    access.enter(user_id)
    return redirect("/", SEE_OTHER)


def _form(form: Form, status: int = 200) -> Response:
    return make_response(render_template("web/sign_in.html", form=form), status)
