"""What an HTTP answer means: a receipt, or an error in an operator's words (spec: channels.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from app import clock
from app.channels.base import ChannelError, Receipt
from app.domain.kinds import Fail

MOST_TEXT = 2_000
# The message's own fault: the next one may be taken. Every other status is the endpoint's.
OF_MESSAGE = frozenset((400, 413, 415, 422))
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_SECONDS = re.compile(r"[0-9]{1,12}")
_REASONS = {
    401: (Fail.AUTH_ERROR, "Check the credentials in its headers."),
    403: (Fail.AUTH_ERROR, "Check the credentials in its headers, and who may call it."),
    404: (Fail.CLIENT_ERROR, "Is the path of the URL right?"),
    405: (Fail.CLIENT_ERROR, "It takes no POST: is the URL right?"),
    407: (Fail.AUTH_ERROR, "The proxy asks for credentials."),
    408: (Fail.TIMEOUT, "It waited too long for the request."),
    410: (Fail.CLIENT_ERROR, "That URL is gone: give the new one."),
    413: (Fail.TOO_LARGE, "It takes no message of this size."),
    425: (Fail.SERVER_ERROR, ""),
    429: (Fail.RATE_LIMITED, "It asks for fewer messages."),
}
_REDIRECTED = "Redirects are not followed: give the final URL."


def judged(where: str, status: int, headers: Mapping[str, str], body: str) -> Receipt:
    """Return the receipt of a 2XX; raises ChannelError for everything else (S2)."""
    name = phrase(status)
    answer = f"{name}: {body}" if body else name
    if status // 100 == 2:  # noqa: PLR2004 - S2: "HTTP code 2XX"
        return Receipt(status, answer)
    reason, advice = _reason(status)
    raise ChannelError(
        f"{where} answered {name}" + (f": {body[:200]}" if body else ""),
        reason=reason,
        endpoint=status not in OF_MESSAGE,
        advice=advice,
        status=status,
        answer=answer,
        retry_after=retry_after(headers.get("retry-after")),
    )


def _reason(status: int) -> tuple[Fail, str]:
    if status in _REASONS:
        return _REASONS[status]
    if status // 100 == 3:  # noqa: PLR2004 - the class of redirects
        return Fail.CLIENT_ERROR, _REDIRECTED
    return (Fail.SERVER_ERROR if status // 100 == 5 else Fail.CLIENT_ERROR), ""  # noqa: PLR2004


def phrase(status: int) -> str:
    """Return a status with its standard phrase; what the server calls it is not repeated."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def text_of(body: bytes) -> str:
    """Return the beginning of a body as one line of text that shows nothing unseen."""
    told = body[: 4 * MOST_TEXT].decode("utf-8", "replace")
    return _CONTROL.sub(" ", told).strip()[:MOST_TEXT]


def retry_after(value: str | None) -> float | None:
    """Return the seconds that the endpoint asks for, given so or as a date; None: not usable."""
    if value is None:
        return None
    given = value.strip()
    if _SECONDS.fullmatch(given) and given.isascii():
        return float(given)
    try:
        moment = parsedate_to_datetime(given)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        left = (moment - clock.utc_now()).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return left if left > 0 else None
