"""A connection to a mail server that is kept for many mails, and opened again when it ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from app import clock
from app.channels.base import ChannelError, Outgoing, Receipt
from app.channels.smtp_transaction import ENVELOPE, transact
from app.channels.smtp_wire import Wire
from app.domain.kinds import Fail

_QUIT_SECONDS = 2.0


class SmtpSession:
    """Implements Session; one user at a time.

    The time-out is that of a whole attempt: opening counts towards the first mail, and opening
    again towards the mail that needed it.
    """

    def __init__(self, opener: Callable[[float], Wire], timeout: float) -> None:
        begun = clock.monotonic()
        self._opener, self._timeout, self._fresh = opener, timeout, True
        self._wire = opener(begun + timeout)
        self._spent = clock.monotonic() - begun

    def send(self, message: Outgoing) -> Receipt:
        """Send one mail; return a verdict for each recipient, even when none was accepted.

        Raises ChannelError when the server, its configuration, or the mail as a whole is at fault.
        """
        fresh = self._begin()
        try:
            return transact(self._wire, message)
        except ChannelError as error:
            wire = self._wire
            stale = wire.closed and wire.stage in ENVELOPE and error.reason is not Fail.TIMEOUT
            if fresh or not stale:
                raise
        # The server had ended a kept connection (idle, or its limit of mails): nothing was sent.
        self._wire = self._opener(self._wire.stream.deadline)
        return transact(self._wire, message)

    def _begin(self) -> bool:
        """Set the deadline of this attempt, open again if need be; return whether it is new."""
        deadline = clock.monotonic() + self._timeout - self._spent
        fresh, self._fresh, self._spent = self._fresh or self._wire.closed, False, 0.0
        if self._wire.closed:
            self._wire = self._opener(deadline)
        elif not fresh:
            self._wire.transcript.restart()
        self._wire.stream.deadline = deadline
        return fresh

    def close(self) -> None:
        """Say QUIT, waiting 2 s at the most; never raises."""
        leave(self._wire)


def leave(wire: Wire) -> None:
    """Say QUIT where the connection is open, waiting 2 s at the most, and close; never raises."""
    if not wire.closed:
        wire.stream.deadline = clock.monotonic() + _QUIT_SECONDS
        with suppress(ChannelError):
            wire.command("QUIT")
    wire.close()
