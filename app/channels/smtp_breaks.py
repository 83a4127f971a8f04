"""How a connection to a mail server breaks, in an operator's words: cause, reason, advice."""

from __future__ import annotations

from typing import NamedTuple

from app.channels.smtp_replies import Reply
from app.domain.kinds import Fail

GREETING = "the greeting"
_TLS = "Does this port expect TLS from the start?"


class Break(NamedTuple):
    """Why a connection ended, and what to do about it."""

    cause: str
    reason: Fail
    advice: str


def broken(where: str, stage: str, error: OSError) -> Break:
    """Return the end of a connection that broke, or stood still, during `stage`."""
    greeting = stage == GREETING
    if isinstance(error, TimeoutError):
        cause = f"{where} did not finish {stage} within the TimeOut."
        slow = "Is that server overloaded, or the TimeOut too short?"
        return Break(cause, Fail.TIMEOUT, _TLS if greeting else slow)
    cause = f"{where} closed the connection during {stage}."
    advice = _TLS if greeting else "The log of that server says why."
    return Break(cause, Fail.CONNECTION, advice)


def foreign(where: str, error: ValueError) -> Break:
    """Return the end of a connection on which no SMTP is spoken."""
    cause = f"{where} does not speak SMTP: {error}."
    return Break(cause, Fail.CONNECTION, "Check SMTP Port and Encrypted Connection.")


def ended(where: str, reply: Reply) -> Break:
    """Return the end of a connection that the server wanted (421)."""
    cause = f"{where} ended the connection: {reply}"
    return Break(cause, Fail.SERVER_ERROR, "Try again later, or see the log of that server.")


def injected(where: str) -> Break:
    """Return the end of a connection with words in clear text after STARTTLS."""
    advice = "Somebody may be meddling with the connection: choose TLS, or ask who runs it."
    return Break(f"{where} sent data ahead of TLS.", Fail.TLS, advice)
