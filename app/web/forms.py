"""Small forms by hand: typed values that come back, and errors beside their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import Fault

UNPROCESSABLE = 422


@dataclass(frozen=True)
class Form:
    """Typed values (never a password) and errors by field, "" for the form as a whole."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def refused(self, faults: tuple[Fault, ...], titles: Mapping[str, str]) -> Form:
        """Return the form with an error sentence for each field in question."""
        errors: dict[str, str] = {}
        for fault in faults:
            name = fault.pointer.strip("/")
            title = titles.get(name, "")
            errors.setdefault(name, f"{title} {fault.message}" if title else fault.message)
        return Form(self.values, errors)
