"""One attempt of one message: made, sent; a mail whose size is refused is sent without its PDF.

Deliveries of a lane and tests go through this same function.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from app.channels.base import ChannelError, Outgoing, Receipt, Session
from app.domain.kinds import Fail
from app.errors import DecryptionFailed
from app.rendering.mail import Attachment

log = logging.getLogger(__name__)

TOO_LARGE = (
    "The PDF of the error traces is left out, as the mail server refused its size; they are in "
    "Tocsin."
)


class Letter(Protocol):
    """What is sent: it can be built, and built again without its attachments."""

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The files that go with it."""

    def build(self) -> tuple[str | None, Any]:
        """Return the subject, if it has one, and the message, as of now."""

    def noting(self, note: str) -> Letter:
        """Return it without attachments, and with a note."""

    def request(self, message: Any) -> str:
        """Return one line about the message, without secrets."""


@dataclass(frozen=True)
class Sent:
    """How the attempt ended; `unreadable`: the mail can never be sent as it is."""

    outcome: Receipt | ChannelError
    subject: str | None = None
    request: str | None = None
    unreadable: bool = False


def send_once(
    letter: Letter,
    connect: Callable[[], Session],
    close: Callable[[], None],
    keep: Callable[[], bool] = lambda: True,
) -> Sent:
    """Send `letter` over the session of `connect`; never raises for what a mail or server does.

    Where the server refuses its size, it is sent once more without its attachments, and says so
    (channels.md, SMTP); `keep` renews what is held for one TimeOut, and says whether to go on.
    """
    sent = _try(letter, connect, close)
    if not letter.attachments or not _is_too_large(sent.outcome) or not keep():
        return sent
    again = _try(letter.noting(TOO_LARGE), connect, close)
    return replace(again, outcome=_after(sent.outcome, again.outcome))


def _try(letter: Letter, connect: Callable[[], Session], close: Callable[[], None]) -> Sent:
    try:
        subject, message = letter.build()
    except Exception as error:
        log.exception("a message cannot be rendered")
        return Sent(_unreadable(error), unreadable=True)
    return Sent(_send(message, connect, close), subject, letter.request(message))


def _send(
    message: Any, connect: Callable[[], Session], close: Callable[[], None]
) -> Receipt | ChannelError:
    try:
        return connect().send(message)
    except ChannelError as error:
        return error
    except DecryptionFailed as error:
        return ChannelError(str(error), reason=Fail.AUTH_ERROR, endpoint=True)
    except Exception as error:
        log.exception("the channel failed in an unforeseen way")
        close()
        return ChannelError(
            f"Sending failed in an unforeseen way ({type(error).__name__}); see the log.",
            reason=Fail.OTHER,
            endpoint=False,
        )


def _is_too_large(outcome: Receipt | ChannelError) -> bool:
    return isinstance(outcome, ChannelError) and outcome.reason is Fail.TOO_LARGE


def _after(first: Receipt | ChannelError, second: Receipt | ChannelError) -> Receipt | ChannelError:
    """Return `second` with both conversations as its transcript."""
    whole = "\n".join(filter(None, (first.transcript, second.transcript)))
    if isinstance(second, Receipt):
        return replace(second, transcript=whole)
    second.transcript = whole
    return second


def envelope(message: Outgoing) -> str:
    """Return one line about a mail: whom it is from and to, and its size."""
    recipients = ", ".join(message.recipients)
    return f"MAIL FROM {message.sender}, RCPT TO {recipients}, {len(message.body):,} bytes"


def _unreadable(error: Exception) -> ChannelError:
    text = f"The message cannot be made from what is stored ({type(error).__name__}); see the log."
    return ChannelError(text, reason=Fail.TEMPLATE, endpoint=False, permanent=True)
