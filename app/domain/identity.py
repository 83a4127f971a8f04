"""When two reports are the same failure (spec: product.md 3 and 4)."""

from __future__ import annotations

import hashlib
import re

from app.domain.kinds import Kind

_QUOTED = r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`"
_HEX = r"\b0[xX][0-9a-fA-F]+\b|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{4,}(?:-[0-9a-fA-F]{4,})*\b"
_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?\s*(?:Z|[+-]\d\d:?\d\d)?"
_NUMBER = r"\d+"
_MASKED = re.compile(f"{_QUOTED}|{_TIME}|{_HEX}|{_NUMBER}")
_REPEATED = re.compile(r"#(?:[\s:.,+/-]*#)+")


def masked(message: str) -> str:
    """Return `message` with digits, hex, quoted strings and times replaced by #.

    Two messages that differ only there are one failure (S1 read by product.md 3).
    """
    return _REPEATED.sub("#", _MASKED.sub("#", message)).strip()


def global_identity(direction_id: int, error_code: str | None, message: str) -> bytes:
    """Return the identity of a global failure: direction, error code, masked message."""
    return _digest(Kind.GLOBAL, direction_id, error_code, masked(message))


def processing_identity(
    direction_id: int, entity_type: str | None, entity_id: str, error_code: str | None
) -> bytes:
    """Return the identity of a processing failure: direction, entity type and id, error code."""
    return _digest(Kind.PROCESSING, direction_id, entity_type, entity_id, error_code)


def other_identity(
    system_id: int, integration_id: int | None, row: str | None, address: str | None
) -> bytes:
    """Return the identity of an other error: system, registration or route, refused address."""
    return _digest("other", system_id, integration_id, row, address)


def _digest(*parts: object) -> bytes:
    """Hash length-prefixed parts, so that no two lists of parts run into one another."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = b"-" if part is None else b"+" + str(part).encode("utf-8", "surrogatepass")
        hashed.update(len(raw).to_bytes(4, "big") + raw)
    return hashed.digest()
