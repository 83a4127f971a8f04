"""What is read of an answer, and what requests makes of it."""

from __future__ import annotations

import http.client

from requests import PreparedRequest, Response
from requests.structures import CaseInsensitiveDict

MOST_BODY = 64 * 1024
# What reading an answer raises, when the other side breaks off or speaks something else.
BROKEN = (OSError, http.client.HTTPException, ValueError)


class Reply(Response):
    """An answer; `whole`: its body, of which at most 64 KiB are read, was read to its end."""

    whole = True


def body(answer: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """Return what can be read of the body, and whether that is all: the status counts anyway."""
    parts, left = list[bytes](), MOST_BODY + 1
    try:
        while left > 0 and (part := answer.read1(left)):
            parts.append(part)
            left -= len(part)
        whole = left > 0 and not answer.length
    except BROKEN:
        whole = False
    return b"".join(parts)[:MOST_BODY], whole


def reply(
    request: PreparedRequest, answer: http.client.HTTPResponse, content: bytes, *, whole: bool
) -> Reply:
    """Return what requests makes of an answer."""
    made = Reply()
    made.status_code, made.reason, made.url = answer.status, answer.reason, str(request.url)
    made.headers = CaseInsensitiveDict(answer.headers.items())
    made.request, made.whole = request, whole
    made._content, made._content_consumed = content, True  # type: ignore[attr-defined]
    return made
