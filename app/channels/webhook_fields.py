"""The secrets of a Webhook system: keys of Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Annotated, Any

from app.secrets import Secret
from app.shapes import Rule, fault, text

PREFIX = "whsec_"
LEAST_KEY, MOST_KEY = 24, 64
MOST_SECRET = 200


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
