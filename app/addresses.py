"""Mail addresses as people write them: lists, display names, each checked and named when wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

import email_validator
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.shapes import fault

MAX_ADDRESSES = 50
MAX_ADDRESS_TEXT = 20_000

_BRACKETED = re.compile(r"^[^<>]*<([^<>]*)>$", re.DOTALL)
_PART = re.compile(r'(?:"(?:[^"\\\n]|\\.)*"|<[^<>\n]*>|[^,;\r\n"<])+|["<]')
_NAMED = 5

# An installation may well write to root@localhost or to a mail domain under .local or .test; the
# library lets its list be changed for that.
for _name in ("local", "localhost", "test"):
    if _name in email_validator.SPECIAL_USE_DOMAIN_NAMES:
        email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(_name)


def split_addresses(value: str | Iterable[str]) -> list[str]:
    """Split at comma, semicolon and line break; a quoted display name keeps its comma."""
    whole_text = value if isinstance(value, str) else "\n".join(value)
    return [part.strip() for part in _PART.findall(whole_text) if part.strip()]


def address(value: str) -> str:
    """Return the bare address of `a@b.c` or `Name <a@b.c>`; raises a fault that names it.

    A domain of another alphabet is returned in ASCII, as not every mail server takes it otherwise.
    """
    bracketed = _BRACKETED.match(value)
    bare = (bracketed.group(1) if bracketed else value).strip()
    try:
        checked = email_validator.validate_email(
            bare,
            check_deliverability=False,
            globally_deliverable=False,
            allow_smtputf8=False,
            strict=True,
        )
    except email_validator.EmailNotValidError as error:
        raise fault(f"{value[:100]!r} is not a mail address: {error}") from error
    if "." not in checked.domain and checked.domain != "localhost":
        raise fault(f"{value[:100]!r} is not a mail address: its domain has no dot")
    return checked.ascii_email or checked.normalized


def addresses(value: str | Iterable[str]) -> list[str]:
    """Return the addresses of `value` without doubles, in order; raises a fault for a wrong one."""
    parts = list(value) if not isinstance(value, str) else [value]
    if not all(isinstance(part, str) for part in parts):
        raise fault("must be a list of mail addresses")
    if sum(map(len, parts)) > MAX_ADDRESS_TEXT:
        raise fault(f"must have at most {MAX_ADDRESS_TEXT:,} characters")
    found: dict[str, str] = {}
    wrong: list[str] = []
    for part in split_addresses(parts):
        try:
            bare = address(part)
        except PydanticCustomError as error:
            wrong.append(error.message())
        else:
            found.setdefault(bare.lower(), bare)
    if wrong:
        more = [f"and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else []
        raise fault("; ".join([*wrong[:_NAMED], *more]))
    if len(found) > MAX_ADDRESSES:
        raise fault(f"must have at most {MAX_ADDRESSES} addresses, has {len(found)}")
    return list(found.values())


Addresses = Annotated[
    list[str],
    BeforeValidator(lambda value: addresses(value) if isinstance(value, str | list) else value),
    WithJsonSchema(
        {"type": "array", "items": {"type": "string", "format": "email"}, "maxItems": MAX_ADDRESSES}
    ),
]
SomeAddresses = Annotated[
    Addresses,
    AfterValidator(lambda value: value or _raise(fault("must name at least one mail address"))),
]
OneAddress = Annotated[
    str,
    BeforeValidator(lambda value: address(value) if isinstance(value, str) else value),
    WithJsonSchema({"type": "string", "format": "email"}),
]


def _raise(error: Exception) -> Any:
    raise error
