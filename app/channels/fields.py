"""Fields that several channels share: how a field describes itself, hosts, CA files, secrets."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import idna
from cryptography import x509
from pydantic import Field

from app.secrets import Secret
from app.shapes import Rule, fault, text

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PEM_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_MAX_SECRET = 1000
_MAX_CA = 100_000


def field(  # noqa: PLR0913 - what a form says of a field, all by keyword
    title: str,
    description: str,
    default: Any = ...,
    *,
    shown_when: Mapping[str, Sequence[Any]] | None = None,
    more: bool = False,
    needed: bool = False,
) -> Any:
    """Return a field with the title and help of the form; without default it is required.

    `shown_when` names other fields (camelCase) and the values they must all have for this one to
    be shown; it stands in the JSON schema as `shownWhen`. `more`: it is rarely needed, and stands
    under "More settings". `needed`: the form marks it as required, as the channel's check does.
    """
    shown = {name: list(values) for name, values in (shown_when or {}).items()}
    extra: dict[str, Any] = {"shownWhen": shown} if shown else {}
    extra |= {name: True for name, said in (("more", more), ("needed", needed)) if said}
    return Field(default, title=title, description=description, json_schema_extra=extra or None)


def host(value: Any) -> str:
    """Return a host name in ASCII or an IP address without brackets; raises a fault."""
    if not isinstance(value, str) or not value.strip():
        raise fault("must be a host name or an IP address")
    bare = value.strip().removeprefix("[").removesuffix("]").rstrip(".")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return _host_name(bare, value)


def _host_name(bare: str, typed: str) -> str:
    """Return `bare` as ASCII; only a name with other letters goes through IDNA (it bars _)."""
    try:
        name = bare.lower() if bare.isascii() else idna.encode(bare, uts46=True).decode()
    except idna.IDNAError as error:
        raise fault(f"{typed!r} is not a host name: {error}") from error
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):  # noqa: PLR2004 - RFC 1035
        raise fault(f"{typed[:100]!r} is not a host name: give it without scheme, port or path")
    return name


def certificates(value: Any) -> str:
    """Return PEM text that holds at least one certificate and no private key; raises a fault."""
    pem: str = text(_MAX_CA).check(value)
    if _PEM_KEY.search(pem):
        raise fault("must hold certificates only: take the private key out")
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise fault("must be certificates in PEM form (-----BEGIN CERTIFICATE-----)") from error
    return pem


def secret(value: Any) -> Secret:
    """Return a text as a Secret, so that no copy of it can be printed; raises a fault."""
    return value if isinstance(value, Secret) else Secret(text(_MAX_SECRET).check(value))


Host = Annotated[str, Rule(host, {"type": "string", "minLength": 1, "maxLength": 253})]
CaPem = Annotated[str, Rule(certificates, {"type": "string", "maxLength": _MAX_CA})]
SecretText = Annotated[
    Secret,
    Rule(
        secret,
        {"type": "string", "format": "password", "writeOnly": True, "maxLength": _MAX_SECRET},
    ),
]
