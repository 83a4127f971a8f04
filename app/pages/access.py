"""The gate of the pages: who looks, what they may see, and proof that a form came from here.

Everything is refused that does not say who may see it. The API has a gate of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from flask import Flask, abort, current_app, g, redirect, request, session
from flask_wtf.csrf import CSRFProtect
from werkzeug.routing import IntegerConverter, Map
from werkzeug.wrappers import Response

from app.domain.people import Role
from app.services import people, sessions
from app.services.installation import installation
from app.services.paging import MAX_ID
from app.services.sessions import Visitor

F = TypeVar("F", bound=Callable[..., Any])

API, FILES = "api.", ("static", "assets")
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Bytes of a form.
LARGEST = 2 * 1024 * 1024
# What stands in the signed cookie: the token of the server's own session, whose it is, and what the
# tokens of forms are made from (Flask-WTF).
TOKEN, OWNER, FORMS = "session", "owner", "csrf_token"
_csrf = CSRFProtect()


def needs(role: Role | None) -> Callable[[F], F]:
    """Mark a view: it is for users of that role and above; None: for everybody."""

    def mark(view: F) -> F:
        cast(Any, view).role = role
        return view

    return mark


def visitor() -> Visitor:
    """Return who looks at this page; raises LookupError where nobody is signed in."""
    found = maybe_visitor()
    if found is None:
        raise LookupError("nobody is signed in")
    return found


def maybe_visitor() -> Visitor | None:
    """Return who looks at this page, or None; reads once a request."""
    if "visitor" not in g:
        token = session.get(TOKEN)
        found = sessions.visitor(installation(), token) if isinstance(token, str) else None
        g.visitor = found
    return cast("Visitor | None", g.visitor)


def enter(user_id: int) -> None:
    """Begin a session for a user who has proved who they are, and end the one before.

    Nothing of that goes over; only the forms that this very user has open can still be sent.
    """
    forms = session.get(FORMS) if session.get(OWNER) == user_id else None
    leave()
    token = sessions.begin(
        installation(),
        user_id,
        user_agent=request.user_agent.string,
        address=request.remote_addr or "",
    )
    session.update({TOKEN: token, OWNER: user_id}, **({FORMS: forms} if forms else {}))
    session.permanent = True
    g.pop("visitor", None)


def leave() -> None:
    """End the session on the server, and empty the cookie."""
    found = maybe_visitor()
    if found is not None:
        sessions.end(installation(), found.user_id, found.session)
    session.clear()
    g.visitor = None


def local_path(target: str | None) -> str:
    """Return `target` if it is a path of this server, else `/`."""
    target = target or "/"
    parts = urlsplit(target)
    hostile = any(char in target for char in "\\\t\r\n") or not target.isprintable()
    if hostile or parts.scheme or parts.netloc or not target.startswith("/"):
        return "/"
    return "/" if target.startswith("//") else target


def may_return() -> bool:
    """Whether a session was here, so that its user can sign in again and send an open form."""
    return OWNER in session


def sign_in_url() -> str:
    """Return the sign-in that leads on to the page whose form was sent."""
    came = urlsplit(request.referrer or "")
    there = local_path(came.path + (f"?{came.query}" if came.query else ""))
    return _sign_in(there)


def bind(app: Flask) -> None:
    """Put the gate before every page of `app`, and `csrf_token()` into templates."""
    settings = installation(app).settings
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        # Checked by SameSite and the token; a proxy may hide the Referer.
        WTF_CSRF_SSL_STRICT=False,
        SESSION_COOKIE_NAME="tocsin",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https:"),
        PERMANENT_SESSION_LIFETIME=sessions.LONGEST,
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.url_map.converters["int"] = _IdConverter
    _csrf.init_app(app)
    app.before_request(_gate)


class _IdConverter(IntegerConverter):
    """Ids as the database has them; what is larger names nothing."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=MAX_ID)


def _refuse_nul() -> None:
    """No database can hold NUL, so what has one was typed by nobody and names nothing."""
    if "\0" in request.path:
        abort(404)
    sent = (request.args, request.form) if request.method in CHANGING else (request.args,)
    if any("\0" in value for one in sent for values in one.lists() for value in values[1]):
        abort(400)


def _gate() -> Response | None:
    """Let a request through (None), or send it to the sign-in; aborts with 400, 401, 403 or 413."""
    endpoint = request.endpoint
    if endpoint is None or endpoint.startswith(API) or endpoint in FILES:
        return None
    request.max_content_length = LARGEST
    _refuse_nul()
    role, found = _role(endpoint), maybe_visitor()
    if found is None and role is not None:
        return _to_sign_in()
    if request.method in CHANGING:
        _csrf.protect()
    if found is None or role is None:
        return None
    if not found.may(role):
        abort(403, f"This needs the role {role.value}; you have the role {found.role.value}.")
    return None


def _role(endpoint: str) -> Role | None:
    view = current_app.view_functions[endpoint]
    try:
        return cast("Role | None", cast(Any, view).role)
    except AttributeError as error:
        raise RuntimeError(f"the page {endpoint} does not say who may see it") from error


def _to_sign_in() -> Response:
    if request.method not in {"GET", "HEAD"}:
        abort(401)
    if not people.anybody(installation()):
        return redirect("/sign-in")
    return redirect(_sign_in(request.full_path if request.query_string else request.path))


def _sign_in(following: str) -> str:
    return "/sign-in" if following == "/" else f"/sign-in?{urlencode({'next': following})}"
