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
_TRUST = "Add its CA under Private CA."
_NAMES = ("The certificate is for {names}, not {host}.", "Give the name that it is for.")
# What was found and what to do about it, by the number of OpenSSL's X509_V_ERR.
_SENTENCES = {
    9: ("The certificate of {host} is not valid yet.", "Check the clocks of both machines."),
    10: ("The certificate of {host} has expired.", "Renew it on that server."),
    18: ("The certificate of {host} is self-signed.", "Add it under Private CA."),
    19: ("The certificate of {host} comes from a CA that is not trusted.", _TRUST),
    20: ("The certificate of {host} comes from an unknown CA.", _TRUST),
    21: ("The certificate of {host} cannot be verified.", f"{_TRUST} Or send the whole chain."),
    23: ("The certificate of {host} was revoked.", "Replace it on that server."),
    62: _NAMES,
    64: _NAMES,
}
_ELSE = ("The certificate of {host} was not accepted: {why}.", "Replace it on that server.")
_PORT = "Check the port and the kind of encryption."


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
    reason, advice = Fail.TLS, _PORT
    if isinstance(error, ssl.SSLCertVerificationError):
        found, advice = _SENTENCES.get(error.verify_code, _ELSE)
        text = found.format(host=host, names=_names(wrapped), why=error.verify_message)
    elif isinstance(error, ssl.SSLError) and error.reason in _CLEAR_TEXT:
        text = f"{host} does not speak TLS on this port."
    elif isinstance(error, TimeoutError):
        reason, advice = Fail.TIMEOUT, "Is this the port for TLS?"
        text = f"{host} did not finish the TLS handshake in time."
    else:
        why = getattr(error, "reason", None) or error.strerror or "the connection was closed"
        text = f"The TLS handshake with {host} failed: {why}."
        advice = "Does that server speak TLS 1.2 or later?"
    return ChannelError(text, advice=advice, reason=reason, endpoint=True)


def _names(wrapped: ssl.SSLSocket) -> str:
    """Return the names in the certificate that was refused; public in Python from 3.13 on."""
    with suppress(AttributeError, IndexError, TypeError, ValueError):
        leaf = wrapped._sslobj.get_unverified_chain()[0].get_info()  # type: ignore[attr-defined]
        names = [str(value) for _, value in leaf["subjectAltName"]]
        return ", ".join(names[:5])
    return "another name"
