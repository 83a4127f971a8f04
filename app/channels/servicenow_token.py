"""How Tocsin logs in to ServiceNow: user and password, or a token of OAuth."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Annotated, Any

from app.errors import Fault, Invalid
from app.secrets import Secret
from app.shapes import Rule, fault, text

_LONGEST = 4_000
_TOKEN = re.compile(r"[!-~]*", re.ASCII)


def _token(value: Any) -> Secret:
    """Return a token, which goes into a header; an empty one clears it."""
    given = value.reveal() if isinstance(value, Secret) else value
    typed: str = text(_LONGEST).check(given).strip()
    if not _TOKEN.fullmatch(typed):
        raise fault("must be the token alone, in one word")
    return Secret(typed)


Token = Annotated[
    Secret,
    Rule(
        _token,
        {"type": "string", "format": "password", "writeOnly": True, "maxLength": _LONGEST},
    ),
]


def check(options: Any, secrets: Mapping[str, Secret]) -> None:
    """Refuse a login that misses something; raises Invalid."""
    faults = []
    if options.authentication == "Bearer":
        if not secrets.get("token"):
            faults.append(Fault("/secrets/token", "is required with the authentication Bearer"))
    else:
        if not options.user:
            faults.append(Fault("/options/user", "is required with the authentication Basic"))
        if not secrets.get("password"):
            faults.append(Fault("/secrets/password", "is required with the authentication Basic"))
    if faults:
        raise Invalid(faults)


def login(options: Any, secrets: Mapping[str, Secret]) -> tuple[str, list[str]]:
    """Return the header Authorization, and what no answer may repeat of it."""
    if options.authentication == "Bearer":
        token = secrets["token"].reveal()
        return f"Bearer {token}", [token]
    password = secrets["password"].reveal()
    pair = base64.b64encode(f"{options.user}:{password}".encode()).decode()
    return f"Basic {pair}", [password, pair]
