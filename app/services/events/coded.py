"""What the code of an event gives, and what may stand beside it (product.md 2.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.catalogue import ENTRIES, Entry, routed_as
from app.domain.event_kinds import Received
from app.shapes import fault

NEEDED = "Required where there is no code."
MISSING = "is required where there is no code"
_SAID = "must be {!r} or be left out, as the code {!r} gives it"


def known(code: str) -> str:
    """Return a code that is in the catalogue; raises a fault."""
    if code not in ENTRIES:
        raise fault(f"there is no entry {code!r} in the error catalogue")
    return code


def disagreements(given: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, str]:
    """Return what is wrong with fields of a body, by name: missing without a code, or against it.

    `given` are its fields; what is not among them has a fault of its own already, None was left
    out. A severity agrees that is routed as that of the entry is: error does with critical.
    """
    if "code" not in given:
        return {}
    if given["code"] is None:
        return {name: MISSING for name in required if given.get(name, "") is None}
    return dict(_contradictions(ENTRIES[given["code"]], given))


def _contradictions(entry: Entry, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    source, severity = given.get("source"), given.get("severity")
    if source is not None and source != entry.source:
        yield "source", _SAID.format(str(entry.source), entry.code)
    if severity is not None and routed_as(Received(severity)) is not entry.routed:
        yield "severity", _SAID.format(str(entry.severity), entry.code)
