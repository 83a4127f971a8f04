"""How a request breaks before there is an answer, in an operator's words."""

from __future__ import annotations

import http.client
import ssl
from typing import NamedTuple

from app.channels.base import ChannelError
from app.channels.http_reader import TooMuch
from app.domain.kinds import Fail

_MAYBE = " The message may have been taken."
_LOG = "The log of that server, or of what stands before it, says why."
_SLOW = "Is that server overloaded, or the TimeOut too short?"
_FOREIGN = "Check the port, and whether it is https:// or http://."
_PROXY = "Check Proxy, and what it lets through."
_LOGIN = 407


class _Told(NamedTuple):
    cause: str
    reason: Fail
    advice: str


def broken(
    where: str, error: Exception, *, sent: bool = False, reads: bool = False
) -> ChannelError:
    """Return the error of a request to `where` without an answer; `sent`: it had gone out whole.

    `reads`: it asked for something, so that there is no message that may have been taken.
    """
    maybe = sent and not reads
    told = _silent(where, error, sent=sent) or _told(where, error)
    return ChannelError(
        told.cause + (_MAYBE if maybe else ""),
        reason=told.reason,
        endpoint=True,
        advice=told.advice,
        maybe_sent=maybe,
    )


def unproxied(proxy: str, where: str, status: int) -> ChannelError:
    """Return the error of a proxy that does not connect to `where`."""
    login = status == _LOGIN
    return ChannelError(
        f"The proxy {proxy} answered {status} when it was asked to connect to {where}.",
        reason=Fail.AUTH_ERROR if login else Fail.CONNECTION,
        endpoint=True,
        advice="It wants a login, which Tocsin does not have." if login else _PROXY,
        status=status,
    )


def _silent(where: str, error: Exception, *, sent: bool) -> _Told | None:
    """Return what is to be told where nothing came, or not enough."""
    if isinstance(error, TimeoutError):
        cause = "did not answer in time" if sent else "did not take the request in time"
        return _Told(f"{where} {cause}.", Fail.TIMEOUT, _SLOW)
    if isinstance(error, ConnectionError | ssl.SSLEOFError):
        cause = "without a whole answer" if sent else "before it had the whole request"
        return _Told(f"{where} closed the connection {cause}.", Fail.CONNECTION, _LOG)
    return None


def _told(where: str, error: Exception) -> _Told:
    if isinstance(error, ssl.SSLError):
        why = error.reason or "no reason given"
        return _Told(f"TLS with {where} broke: {why}.", Fail.TLS, _LOG)
    if isinstance(error, TooMuch | http.client.LineTooLong) or "headers" in str(error):
        return _Told(f"The answer of {where} does not end.", Fail.OTHER, _FOREIGN)
    if isinstance(error, http.client.HTTPException):
        return _Told(f"{where} does not answer in HTTP.", Fail.OTHER, _FOREIGN)
    why = getattr(error, "strerror", None) or type(error).__name__
    cause = f"The connection to {where} broke: {why}."
    return _Told(cause, Fail.CONNECTION, "Check the network of this machine.")
