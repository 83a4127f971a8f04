"""What stands in the fields of a Webhook system: URLs, and secrets of Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Annotated, Any
from urllib.parse import urlsplit

from app.channels.http_session import RequestException, prepared, target
from app.secrets import Secret
from app.shapes import Rule, fault, text

MOST_URL = 2_000
PREFIX = "whsec_"
LEAST_KEY, MOST_KEY = 24, 64
MOST_SECRET = 200


def url(value: Any) -> str:
    """Return a URL that a POST can go to; raises a fault."""
    given: str = text(MOST_URL, required=True, line=True).check(value).strip()
    parts = urlsplit(given)
    if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
        raise fault("must be a URL that begins with https:// or http://")
    if "@" in parts.netloc:
        raise fault("must not hold a user name or password: give them as an attribute (Header)")
    if parts.fragment:
        raise fault("must not hold a fragment (#…): it is never sent")
    try:
        target(prepared(given))
    except (RequestException, ValueError, UnicodeError) as error:
        raise fault("is not a URL that can be called: check host, port and spelling") from error
    return given


def _proxy(value: Any) -> str:
    given: str = url(value)
    parts = urlsplit(given)
    if parts.scheme != "http" or parts.path not in ("", "/") or parts.query:
        raise fault("must be a proxy as in http://proxy.example:3128")
    return given


def _signing(value: Any) -> Secret:
    """Return a secret of Standard Webhooks: whsec_ and 24 to 64 bytes in base64."""
    given = value if isinstance(value, Secret) else Secret(text(1_000).check(value))
    bare = given.reveal()
    try:
        key = base64.b64decode(bare.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if bare and (not bare.startswith(PREFIX) or not LEAST_KEY <= len(key) <= MOST_KEY):
        raise fault(f"must be {PREFIX} and {LEAST_KEY} to {MOST_KEY} bytes in base64")
    return given


def new_signing_secret() -> Secret:
    """Return a secret of 32 random bytes."""
    return Secret(PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())


Url = Annotated[str, Rule(url, {"type": "string", "minLength": 1, "maxLength": MOST_URL})]
Proxy = Annotated[str, Rule(_proxy, {"type": "string", "maxLength": MOST_URL})]
SigningSecret = Annotated[
    Secret,
    Rule(
        _signing,
        {
            "type": "string",
            "format": "password",
            "writeOnly": True,
            "maxLength": MOST_SECRET,
        },
    ),
]
