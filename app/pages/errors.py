"""Pages of trouble: one sentence each, in the shell for those who are signed in."""

from __future__ import annotations

import logging

from flask import Flask, make_response, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from app.errors import Conflict, Forbidden, NotFound, StorageUnavailable, TocsinError
from app.pages.access import maybe_visitor

log = logging.getLogger(__name__)

SERVER_ERROR = 500
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
    400: "The form was open for too long, or cookies are off. "
    "Go back, load the page again, and send the form once more.",
    401: "Your session has ended. Sign in, and then do it again.",
    404: "There is nothing at this address. It may have been deleted, or the address is mistyped.",
    405: "This address does not take such a request. Go back and use the buttons of the page.",
    413: "What you sent is larger than this server takes. Send less at once.",
    500: "The server met an error of its own; its log tells more. Your input is not to blame.",
    503: "Nothing was changed. Try again in a moment.",
}
_STATUS: tuple[tuple[type[TocsinError], int], ...] = (
    (NotFound, 404),
    (Forbidden, 403),
    (Conflict, 409),
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
        status = error.code or SERVER_ERROR
        return page(status, error.description if status in (403, 429) else None)

    app.register_error_handler(HTTPException, answer)
    app.register_error_handler(TocsinError, _refused)


def page(status: int, text: str | None = None) -> Response:
    """Return the page of an error; `text` instead of the usual sentence of its status."""
    title = _TITLES.get(status, "That was not done")
    text = text or _TEXTS.get(status, "Go back and try it another way.")
    made = make_response(
        render_template(
            "shell/error.html", status=status, error_title=title, error_text=text, inside=_inside()
        )
    )
    made.status_code = status
    return made


def _refused(error: TocsinError) -> Response:
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return page(status, str(error) if status != 503 else None)  # noqa: PLR2004
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return page(SERVER_ERROR)


def _inside() -> bool:
    """Whether the shell of those who are signed in can be shown, as far as that is known."""
    try:
        return maybe_visitor() is not None
    except TocsinError:
        return False
