"""Answers of trouble: problem+json (RFC 9457), one for every error of the tree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Response
from pydantic import Field
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from app.errors import (
    Conflict,
    Fault,
    Forbidden,
    InUse,
    Invalid,
    NotFound,
    Stale,
    StorageUnavailable,
    TocsinError,
    Use,
)
from app.services.documents import Document

CONTENT_TYPE = "application/problem+json"
HIDDEN = "The server met an error of its own; its log tells more."

_PLAIN = {
    404: "There is nothing at this address.",
    405: "This address does not take this method; Allow names those it takes.",
}
_STATUS: tuple[tuple[type[TocsinError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (Forbidden, 403),
    (Stale, 412),
)


class Refused(TocsinError):
    """A request that HTTP itself can name: malformed, without key, too large, of another type."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.headers = status, dict(headers or {})


class FaultDocument(Document):
    """One fault of a request."""

    pointer: str = Field(description="JSON pointer into the body, or / and the parameter's name.")
    message: str


class UseDocument(Document):
    """One user of a thing that cannot be deleted."""

    kind: str
    name: str
    url: str


class Problem(Document):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FaultDocument] = Field(
        default=[], description="With 422: every fault of the request, not only the first."
    )
    used_by: list[UseDocument] = Field(
        default=[], description="With 409 on a deletion: what still uses the thing."
    )


def problem(
    status: int,
    detail: str,
    *,
    faults: Iterable[Fault] = (),
    used_by: Iterable[Use] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer of trouble with `status`."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors := [vars(fault) for fault in faults]:
        document["errors"] = errors
    if uses := [vars(use) for use in used_by]:
        document["usedBy"] = uses
    return Response(json.dumps(document), status, headers, content_type=CONTENT_TYPE)


def answer(error: TocsinError) -> Response | None:
    """Return the answer for an error that a caller may cause, or None for one of our own."""
    if isinstance(error, Refused):
        return problem(error.status, str(error), headers=error.headers)
    if isinstance(error, Invalid):
        return problem(422, _summary(error.faults), faults=error.faults)
    if isinstance(error, StorageUnavailable):
        why = str(error) if error.public else "The database cannot be used now."
        detail = f"{why} Come again in {error.retry_after} s."
        return problem(503, detail, headers={"Retry-After": str(error.retry_after)})
    if isinstance(error, InUse):
        return problem(409, str(error), used_by=error.used_by)
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return problem(status, str(error))
    return None


def http(error: HTTPException) -> Response:
    """Return the answer for what Flask or Werkzeug refused by itself (404, 405, 413, …)."""
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    status = error.code or 500
    return problem(status, _PLAIN.get(status, error.description or HIDDEN), headers=headers)


def _summary(faults: tuple[Fault, ...]) -> str:
    if len(faults) == 1:
        return f"{faults[0].pointer or 'The body'}: {faults[0].message}"
    return f"{len(faults)} faults; see errors."
