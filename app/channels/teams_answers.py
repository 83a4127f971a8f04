"""What the answers of a workflow of Teams mean: that it was started, and no more."""

from __future__ import annotations

import re

from app.channels.base import ChannelError, Receipt
from app.channels.http_answers import Answer, phrase, seconds
from app.domain.kinds import Fail

STARTED = frozenset((200, 202))
FINAL = frozenset((400, 401, 403, 404, 410))
_INNER = re.compile(r"HTTP error ([0-9]{3})", re.IGNORECASE)
_FAILED = re.compile(r"delivery failed", re.IGNORECASE)
_OFF = re.compile(r"WorkflowTriggerIsNotEnabled|state '?(Disabled|Suspended)", re.IGNORECASE)
_GONE = (
    "Was the workflow deleted or switched off? Switch it on in Power Automate, or create a new one "
    "and give its URL."
)
_SIGNATURE = (
    "The signature (sig) in the Workflow URL is wrong or has expired: copy the whole URL again "
    "from the trigger of the workflow, and see that anyone may trigger it."
)
_BETWEEN = "Does the Workflow URL lead to Teams, or does something between answer in its place?"
_ADVICE = {
    400: "The workflow does not take the message: does it start with 'When a Teams webhook request "
    "is received', and post the card as it comes?",
    401: _SIGNATURE,
    403: _SIGNATURE,
    404: _GONE,
    405: "Check the Workflow URL.",
    410: _GONE,
    413: "Does something between limit the size of requests? A card has at most 20,000 bytes.",
    429: "The workflow wants fewer messages at a time: Tocsin waits as long as asked.",
}


def judged(answer: Answer) -> Receipt:
    """Return the receipt of a flow that was started; raises ChannelError.

    Whether it posts the card is not known then: the receipt is never confirmed.
    """
    if not answer.ok:
        advice = _GONE if _OFF.search(answer.text) else _ADVICE.get(answer.status, "")
        final = answer.status in FINAL
        raise answer.refusal(advice=advice, permanent=final, of_message=final or None)
    if answer.status not in STARTED:
        raise _foreign(answer)
    if _FAILED.search(answer.text):
        raise _failed(answer)
    said = f" ({answer.text})" if answer.text else ""
    line = f"{phrase(answer.status)}: accepted, not confirmed{said}"
    return Receipt(answer.status, line, confirmed=False)


def _failed(answer: Answer) -> ChannelError:
    """A success that says in its body that Teams refused the message, and with which status."""
    inner = _INNER.search(answer.text)
    status = int(inner[1]) if inner else 0
    reasons = {413: Fail.TOO_LARGE, 429: Fail.RATE_LIMITED}
    return ChannelError(
        f"{answer.where} answered {phrase(answer.status)}, but that the delivery failed"
        f"{f' with {phrase(status)}' if status else ''}.",
        reason=reasons.get(status, Fail.SERVER_ERROR),
        endpoint=status != 413,  # noqa: PLR2004 - too large: the message's own fault
        advice="See the runs of the workflow in Power Automate: each says what went wrong.",
        status=answer.status,
        answer=answer.line,
        retry_after=seconds(answer.retry_after),
    )


def _foreign(answer: Answer) -> ChannelError:
    return ChannelError(
        f"{answer.where} answered {phrase(answer.status)}, and not 200 or 202 as a workflow does. "
        "The message may have been taken.",
        reason=Fail.OTHER,
        endpoint=True,
        advice=_BETWEEN,
        maybe_sent=True,
        status=answer.status,
        answer=answer.line,
    )
