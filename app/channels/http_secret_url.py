"""A URL that is the secret itself: what is taken, and what no answer may repeat of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from app.channels.http_url import LONGEST_URL, WebAddress, parsed
from app.secrets import Secret
from app.shapes import Rule, text

# What stands in every such URL of Slack and Power Automate, and in plain sentences as well.
_PUBLIC = frozenset(
    "automations direct hooks invoke manual paths powerautomate services triggers webhook "
    "workflows".split()
)


def secret_url(refuse: Callable[[WebAddress], None] = lambda address: None) -> Any:
    """Return the rule of a secret URL, kept as it was typed; `refuse` raises a fault of its own.

    An empty text is taken: it clears the secret.
    """

    def check(value: Any) -> Secret:
        given = value.reveal() if isinstance(value, Secret) else value
        typed: str = text(LONGEST_URL, line=True).check(given).strip()
        if typed:
            refuse(parsed(typed))
        return Secret(typed)

    schema = {
        "type": "string",
        "format": "password",
        "writeOnly": True,
        "maxLength": LONGEST_URL,
    }
    return Rule(check, schema)


def veiled(address: WebAddress) -> set[str]:
    """Return what an answer must not repeat of a secret URL: all but scheme, host and port."""
    parts = {part for part in address.path.split("/") if part not in _PUBLIC}
    whole = {f"{address.path}{address.query}", address.path} - {"/"}
    secrets = parts | whole | set(address.secrets)
    return secrets | {unquote(one) for one in secrets}
