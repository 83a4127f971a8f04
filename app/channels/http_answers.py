"""What an HTTP answer means: a receipt, or an error in an operator's words."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass, field
from datetime import UTC
from http import HTTPStatus

from app import clock
from app.channels.base import ChannelError, Receipt
from app.domain.kinds import Fail

# The message's own fault: another one may be taken. Every other status is the endpoint's.
OF_MESSAGE = frozenset((400, 413, 415, 422))
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_LOGIN = "Check the credentials among its attributes."
_REASONS = {
    400: (Fail.CLIENT_ERROR, "It does not understand the message: does it expect another body?"),
    401: (Fail.AUTH_ERROR, _LOGIN),
    403: (Fail.AUTH_ERROR, f"{_LOGIN} May this machine post there?"),
    404: (Fail.CLIENT_ERROR, "Check the path of the URL."),
    405: (Fail.CLIENT_ERROR, "It takes no POST there: check the path of the URL."),
    407: (Fail.AUTH_ERROR, "The proxy wants a login, which Tocsin does not have."),
    408: (Fail.TIMEOUT, "It waited too long for the request: is the network slow?"),
    410: (Fail.CLIENT_ERROR, "Nothing is there any more: give the new URL."),
    413: (Fail.TOO_LARGE, "Raise its limit, or make batches smaller."),
    429: (Fail.RATE_LIMITED, "It wants fewer messages at a time: Batch Notify sends fewer."),
}
_BY_CLASS = {
    3: (Fail.CLIENT_ERROR, "Redirects are not followed: give the final URL."),
    4: (Fail.CLIENT_ERROR, "Its log, or who runs it, knows what it has against the message."),
    5: (Fail.SERVER_ERROR, "Is that server, or what stands behind it, ill? Its log says why."),
}
_ELSE = (Fail.OTHER, "Check that the URL leads to a server that takes messages.")


@dataclass(frozen=True)
class Answer:
    """An answer as it may be shown: `text` is the beginning of its body, veiled and in one line.

    `where` is what sentences call the endpoint, `retry_after` the header as it came. `body` is what
    was read, at most 64 KiB: for the code, and never to be shown.
    """

    where: str
    status: int
    text: str
    retry_after: str | None = None
    body: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Whether it is a 2XX."""
        return self.status // 100 == 2  # noqa: PLR2004 - "anything else than an HTTP 2XX" (S2)

    @property
    def line(self) -> str:
        """Its status, its standard phrase, and what it says."""
        return f"{phrase(self.status)}: {self.text}" if self.text else phrase(self.status)

    def receipt(self) -> Receipt:
        """Return the receipt of a message that was taken."""
        return Receipt(self.status, self.line)

    def refusal(
        self,
        cause: str = "",
        advice: str = "",
        *,
        permanent: bool = False,
        of_message: bool | None = None,
        because: Fail | None = None,
    ) -> ChannelError:
        """Return the error of a message that was not taken; `cause` and `advice`: better words.

        `of_message`: whether it is the message's fault, `because`: the reason, where the status
        alone does not say.
        """
        reason, usual = _REASONS.get(self.status) or _BY_CLASS.get(self.status // 100, _ELSE)
        return ChannelError(
            cause or f"{self.where} answered {phrase(self.status)}.",
            reason=because or reason,
            endpoint=not (self.status in OF_MESSAGE if of_message is None else of_message),
            advice=advice or usual,
            permanent=permanent,
            status=self.status,
            answer=self.line,
            retry_after=seconds(self.retry_after),
        )


def judged(answer: Answer) -> Receipt:
    """Return the receipt of a 2XX; raises ChannelError for every other answer (S2)."""
    if not answer.ok:
        raise answer.refusal()
    return answer.receipt()


def phrase(status: int) -> str:
    """Return a status with its standard phrase; what the server calls it is not repeated."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def seconds(header: str | None) -> float | None:
    """Return by how many seconds a Retry-After asks to wait; None where it cannot be used."""
    given = (header or "").strip()
    if _SECONDS.fullmatch(given):
        return float(given)
    try:
        at = email.utils.parsedate_to_datetime(given)
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        left = (aware - clock.utc_now()).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return left if left > 0 else None
