"""What PagerDuty's answers mean: accepted, never to be accepted, or try again."""

from __future__ import annotations

from app.channels.base import ChannelError, Receipt
from app.channels.http_answers import Answer
from app.domain.kinds import Fail

_BAD, _TOO_LARGE = 400, 413
_KEY = (
    "Copy the Integration Key of an Events API v2 integration again, and check Region: a key of "
    "the EU is unknown in the US."
)
_ADVICE = {
    400: "PagerDuty's answer says what it has against the event.",
    401: _KEY,
    403: _KEY,
    404: "Check Region, or the path of URL.",
    405: "Check Region, or the path of URL.",
    413: "Events are kept under 512 KB: does something on the way take less?",
    429: "It limits the events of each key; Tocsin waits and sends them later.",
}


def judged(answer: Answer) -> Receipt:
    """Return the receipt of an event that was accepted; raises ChannelError.

    202 is the documented one; any other 2XX counts as well, and shows what it said. 400 and 413
    are for good: the same event is refused each time.
    """
    if answer.ok:
        return answer.receipt()
    if answer.status == _BAD and _names_key(answer):
        raise _unknown(answer)
    permanent = answer.status in (_BAD, _TOO_LARGE)
    raise answer.refusal(advice=_ADVICE.get(answer.status, ""), permanent=permanent)


def _names_key(answer: Answer) -> bool:
    """Whether it is the integration key that a 400 is about."""
    said = answer.body.decode("utf-8", "replace").lower().replace("_", " ")
    return any(name in said for name in ("routing key", "integration key", "service key"))


def _unknown(answer: Answer) -> ChannelError:
    return answer.refusal(
        f"{answer.where} does not take the Integration Key.",
        _KEY,
        permanent=True,
        because=Fail.AUTH_ERROR,
    )
