"""The gate: who calls (Authorization: Bearer, API keys), and whether the scope reaches that far."""

from __future__ import annotations

import ipaddress

from flask import Request

from app.api.problems import Refused
from app.errors import Forbidden
from app.services.api_keys import Caller, Keyring, Scope
from app.storage import Store

MAX_KEY = 512
ANYBODY = Caller(0, "anonymous", frozenset())

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Tocsin"'}
_WRONG = {"WWW-Authenticate": 'Bearer realm="Tocsin", error="invalid_token"'}


class Gate:
    """Lets a request through, or raises Refused (401) or Forbidden (403)."""

    def __init__(self, store: Store) -> None:
        self._keyring = Keyring(store)

    def caller(self, request: Request, scope: Scope) -> Caller:
        """Return the holder of the request's key, who may do what `scope` says."""
        caller = self._keyring.caller(_bearer(request.headers.get("Authorization")))
        if caller is None:
            raise Refused(401, "The API key is unknown or revoked.", _WRONG)
        if not caller.may(scope):
            raise Forbidden(f"This API key lacks the scope {scope.value}.")
        return caller


def _bearer(header: str | None) -> str:
    kind, _, key = (header or "").partition(" ")
    key = key.strip()
    if kind.lower() != "bearer" or not key:
        detail = "An API key is needed, as the header `Authorization: Bearer <key>`."
        raise Refused(401, detail, _CHALLENGE)
    if len(key) > MAX_KEY or not key.isascii():
        raise Refused(401, "The API key is unknown or revoked.", _WRONG)
    return key


def from_loopback(request: Request) -> bool:
    """Whether the peer itself is this machine; what X-Forwarded-For says is never believed."""
    try:
        peer = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return False
    mapped = peer.ipv4_mapped if isinstance(peer, ipaddress.IPv6Address) else None
    return (mapped or peer).is_loopback
