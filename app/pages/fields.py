"""One field of a form: how it looks, what stands in it, and how it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

_WHOLE = re.compile(r"[-+]?[0-9]{1,30}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{1,30})?")
_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+")
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Field:
    """One field: `kind` text, number, password, textarea, list, select, yesno or rows.

    A field of a part that may be missing as a whole names it in `group`; the part is there once
    one that is `needed` says something. `rows` have the boxes of `columns` each (pages/rows.py).
    `value` is what stands in it, `choices` pairs of value and label. `off` names, for a value of
    this field, the slots of conditions that it makes false; `needs` the slots that this field
    needs (tocsin.css hides what a slot turns off, without JavaScript).
    """

    pointer: str
    title: str
    kind: str
    help: str = ""
    required: bool = False
    nullable: bool = False
    default: Any = None
    choices: Sequence[tuple[str, str]] = ()
    shown_when: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    value: str = ""
    error: str | None = None
    secret_set: str | None = None
    more: bool = False
    whole: bool = True
    longest: int | None = None
    off: Mapping[str, Sequence[int]] = field(default_factory=dict)
    needs: Sequence[int] = ()
    group: str = ""
    needed: bool = False
    columns: Sequence[Field] = ()
    rows: Sequence[Sequence[Field]] = ()

    @property
    def name(self) -> str:
        """Its name in the form, and the end of its id."""
        return self.pointer.strip("/").replace("/", ".")

    @property
    def id(self) -> str:
        """Its id in the page."""
        return f"f-{self.name}"

    @property
    def on(self) -> bool:
        """Whether a yes-or-no field says yes."""
        return self.value == YES

    def filled(self, document: Mapping[str, Any], base: str) -> Field:
        """Return it with its value of `document`, whose own pointer is `base`."""
        found: Any = document
        for part in self.pointer.removeprefix(base).strip("/").split("/"):
            if not isinstance(found, Mapping) or part not in found:
                return self
            found = found[part]
        if self.kind == "password":
            stored = found if isinstance(found, Mapping) else {}
            return replace(self, secret_set=stored.get("setAt") if stored.get("set") else None)
        return replace(self, value=shown(found))

    def typed(self, form: Mapping[str, str]) -> Field:
        """Return it with what was typed."""
        if self.kind == "password":
            return self
        missing = NO if self.kind == "yesno" else self.value
        return replace(self, value=form.get(self.name, missing))

    def read(self, form: Mapping[str, str]) -> tuple[bool, Any]:
        """Return whether it was given, and its value as JSON; emptied, it has its default."""
        text = form.get(self.name)
        if self.kind == "yesno":
            return True, text in {YES, "on", "true"}
        if text is None:
            return False, None
        if self.kind == "password":
            return self._read_secret(text, form)
        if not text.strip() and self.kind != "list":
            return self._read_empty(text)
        return True, self._read_text(text)

    def _read_secret(self, text: str, form: Mapping[str, str]) -> tuple[bool, Any]:
        if not text and form.get(f"{self.name}.clear"):
            return True, None
        return bool(text), text

    def _read_empty(self, text: str) -> tuple[bool, Any]:
        if self.nullable:
            return True, None
        if not self.required and (self.kind in {"number", "select"} or self.default):
            return False, None
        return True, "" if self.kind == "number" else text

    def _read_text(self, text: str) -> Any:
        if self.kind == "number":
            bare = text.strip()
            if self.whole and _GROUPED.fullmatch(bare):
                bare = bare.replace(",", "")
            elif not self.whole:
                bare = bare.replace(",", ".")
            if _WHOLE.fullmatch(bare):
                return int(bare)
            return float(bare) if _NUMBER.fullmatch(bare) and not self.whole else text
        return text.replace("\r\n", "\n")

    def emptied(self, form: Mapping[str, str]) -> bool:
        """Whether it was sent, and nothing stands in it; an empty password is left as it is."""
        return self.kind != "password" and not form.get(self.name, "-").strip()

    def hidden(self, others: Mapping[str, Field], form: Mapping[str, str]) -> bool:
        """Whether what was typed elsewhere hides it, directly or through another field."""
        for pointer, wanted in self.shown_when.items():
            other = others.get(pointer)
            if other is None:
                continue
            given, value = other.read(form)
            if not given:
                value = other.default
            if value not in wanted or other.hidden(others, form):
                return True
        return False


def shown(value: Any) -> str:
    """Return a JSON value as the text of a field."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def quoted(name: str) -> str:
    """Return a name as a part of a path."""
    return quote(name, safe="")
