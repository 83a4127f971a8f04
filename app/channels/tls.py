"""TLS to a server: contexts that verify, and certificate faults in an operator's words."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from functools import lru_cache

from app import clock
from app.channels.base import ChannelError
from app.domain.kinds import Fail

_CLEAR_TEXT = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
_TRUST = "add its CA under Private CA"
_SENTENCES = {
    9: "The certificate of {host} is not valid yet: check the clock of this machine.",
    10: "The certificate of {host} has expired: renew it on that server.",
    18: f"The certificate of {{host}} is self-signed: {_TRUST}.",
    19: f"The certificate of {{host}} comes from a CA that is not trusted: {_TRUST}.",
    20: f"The certificate of {{host}} comes from an unknown CA: {_TRUST}.",
    21: f"The certificate of {{host}} cannot be verified: {_TRUST}, or send the whole chain.",
    23: "The certificate of {host} was revoked: replace it on that server.",
    62: "The certificate is for {names}, not {host}: give the name that it is for.",
    64: "The certificate is for {names}, not {host}: give the name that it is for.",
}


@lru_cache(maxsize=64)
def context(ca_pem: str | None, *, verify: bool) -> ssl.SSLContext:
    """Return the context that trusts the system's CAs and those of `ca_pem` (valid PEM).

    `ca_pem` may hold a CA, or the very certificate of the server. Cached: loading takes 10 ms.
    """
    made = ssl.create_default_context()
    if ca_pem:
        made.load_verify_locations(cadata=ca_pem)
        made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def wrap(sock: socket.socket, made: ssl.SSLContext, host: str, deadline: float) -> ssl.SSLSocket:
    """Return `sock` under TLS, checked against `host`, before `deadline`; raises ChannelError.

    `sock` is taken over: after an error it is closed.
    """
    sock.settimeout(max(deadline - clock.monotonic(), 0.001))
    wrapped = made.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        wrapped.do_handshake()
    except OSError as error:
        failed = _failed(error, host, wrapped)
        wrapped.close()
        raise failed from error
    return wrapped


def _failed(error: OSError, host: str, wrapped: ssl.SSLSocket) -> ChannelError:
    reason = Fail.TLS
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _SENTENCES.get(error.verify_code)
        text = (known or "The certificate of {host} was not accepted: {why}.").format(
            host=host, names=_names(wrapped), why=error.verify_message
        )
    elif isinstance(error, ssl.SSLError) and error.reason in _CLEAR_TEXT:
        text = f"{host} does not speak TLS on this port: check the port and the kind of encryption."
    elif isinstance(error, TimeoutError):
        reason = Fail.TIMEOUT
        text = f"{host} did not finish the TLS handshake in time: is this the port for TLS?"
    else:
        why = getattr(error, "reason", None) or error.strerror or "the connection was closed"
        text = f"The TLS handshake with {host} failed ({why}): does it speak TLS 1.2 or later?"
    return ChannelError(text, reason=reason, endpoint=True)


def _names(wrapped: ssl.SSLSocket) -> str:
    """Return the names in the certificate that was refused; public in Python from 3.13 on."""
    with suppress(AttributeError, IndexError, TypeError, ValueError):
        leaf = wrapped._sslobj.get_unverified_chain()[0].get_info()  # type: ignore[attr-defined]
        names = [str(value) for _, value in leaf["subjectAltName"]]
        return ", ".join(names[:5])
    return "another name"
