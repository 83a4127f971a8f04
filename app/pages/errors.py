"""Pages of trouble: one sentence each, in the shell for those who are signed in."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from flask import Flask, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from app.errors import (
    Conflict,
    Forbidden,
    InUse,
    Invalid,
    NotFound,
    Stale,
    StorageUnavailable,
    TocsinError,
    Use,
)
from app.pages.access import may_return, maybe_visitor, sign_in_url
from app.pages.forms import sentence

log = logging.getLogger(__name__)

UNAUTHORIZED, SERVER_ERROR = 401, 500
_TITLES = {
    400: "That form cannot be taken",
    401: "You are signed out",
    403: "You may not do this",
    404: "Not found",
    405: "Not possible here",
    409: "That was not done",
    413: "Too large",
    429: "Too many tries",
    500: "Something failed here",
    503: "The database cannot be used now",
}
_TEXTS = {
    400: "What was sent holds characters that nothing can store. Nothing was saved.",
    401: "Your session has ended, and nothing was saved. Sign in, and then do it again.",
    404: "There is nothing at this address. It may have been deleted, or the address is mistyped.",
    405: "This address does not take such a request. Go back and use the buttons of the page.",
    413: "What you sent is larger than this server takes. Nothing was saved; send less at once.",
    500: "The server met an error of its own; its log tells more. Your input is not to blame.",
    503: "Nothing was changed. Try again in a moment.",
}
_OLD_FORM = (
    "The form was made before you signed in, or cookies are off. Nothing was saved. "
    "Go back, load the page again, and send the form once more."
)
_SIGNED_OUT = "Your session has ended; nothing was saved. Sign in in a new tab, come back here, "
_LOAD = "and load this page again: the browser then sends what you typed once more."
_PRESS = "and press the button again: what you typed is still there."
_STATUS: tuple[tuple[type[TocsinError], int], ...] = (
    (NotFound, 404),
    (Forbidden, 403),
    (InUse, 409),
    (Conflict, 409),
    (Stale, 409),
    (Invalid, 422),
    (StorageUnavailable, 503),
)


def bind(app: Flask) -> None:
    """Answer errors of pages with pages; bound after the API, whose paths keep their own."""
    before = app.error_handler_spec[None][None].get(HTTPException)

    def answer(error: HTTPException) -> Response:
        earlier = app.ensure_sync(before)(error) if before else error
        if isinstance(earlier, Response):
            return earlier
        if error.response is not None:
            return error.get_response()
        if isinstance(error, CSRFError):
            return page(400, _OLD_FORM)
        if error.code == UNAUTHORIZED:
            return _signed_out()
        status = error.code or SERVER_ERROR
        return page(status, error.description if status in (403, 429) else None)

    app.register_error_handler(HTTPException, answer)
    app.register_error_handler(TocsinError, _refused)


def page(
    status: int, text: str | None = None, title: str | None = None, uses: Sequence[Use] = ()
) -> Response:
    """Return the page of an error; `text` and `title` instead of the usual ones of its status.

    `uses` are what keeps a thing from being deleted, as links.
    """
    title = title or _TITLES.get(status, "That was not done")
    text = text or _TEXTS.get(status, "Go back and try it another way.")
    made = make_response(
        render_template(
            "shell/error.html",
            status=status,
            error_title=title,
            error_text=text,
            inside=_inside(),
            sign_in=sign_in_url(),
            beside=may_return(),
            uses=uses,
            back=getattr(g.get("screen"), "path", None),
        )
    )
    made.status_code = status
    return made


def _signed_out() -> Response:
    """Return the page for a form that was sent after the session had ended: it can be sent again.

    From a dialog and the like, the form is still there.
    """
    if not may_return():
        return page(UNAUTHORIZED)
    return page(UNAUTHORIZED, _SIGNED_OUT + (_PRESS if "X-Fragment" in request.headers else _LOAD))


def _refused(error: TocsinError) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if status is None:
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        return page(SERVER_ERROR)
    if isinstance(error, StorageUnavailable):
        return _later(error)
    if isinstance(error, Invalid):
        named = (f"{fault.pointer.strip('/')} {fault.message}".strip() for fault in error.faults)
        return page(status, " ".join(map(sentence, named)))
    return page(status, str(error), uses=error.used_by if isinstance(error, InUse) else ())


def _later(error: StorageUnavailable) -> Response:
    """Return the page of what is not possible now; what the database said stands in the log."""
    made = page(503, str(error), "Not at this moment") if error.public else page(503)
    made.headers["Retry-After"] = str(error.retry_after)
    return made


def _inside() -> bool:
    """Whether the shell of those who are signed in can be shown, as far as that is known."""
    try:
        return maybe_visitor() is not None
    except TocsinError:
        return False
