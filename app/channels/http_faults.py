"""What went wrong on the way, where no answer came: in an operator's words."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

from app.channels.base import ChannelError
from app.domain.kinds import Fail

_MAYBE = "It may have taken the message."


def place(url: str) -> str:
    """Return a URL as people may read it: without its query, which may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def failed(url: str, error: Exception, *, sent: bool) -> ChannelError:
    """Return the error of a request without an answer; `sent`: it had gone out in full."""
    reason, text, advice = _told(place(url), error, sent=sent)
    return ChannelError(
        text,
        advice=f"{advice} {_MAYBE}".strip() if sent else advice,
        reason=reason,
        endpoint=True,
        maybe_sent=sent,
    )


def _told(where: str, error: Exception, *, sent: bool) -> tuple[Fail, str, str]:
    if isinstance(error, TimeoutError):
        what = "did not answer in time" if sent else "did not take the request in time"
        return Fail.TIMEOUT, f"{where} {what}.", "Is it overloaded?"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionError):
        what = "closed the connection without an answer" if sent else "closed the connection"
        return (
            Fail.CONNECTION,
            f"{where} {what}.",
            "See its log, and that of what stands before it.",
        )
    if isinstance(error, ssl.SSLError):
        return Fail.TLS, f"The encrypted connection to {where} broke.", "Is its TLS set up well?"
    if isinstance(error, http.client.HTTPException):
        text = f"{where} did not answer in HTTP ({type(error).__name__})."
        return Fail.OTHER, text, "Are port and scheme right?"
    what = getattr(error, "strerror", None) or type(error).__name__
    return Fail.CONNECTION, f"The connection to {where} broke: {what}.", "Check the network."
