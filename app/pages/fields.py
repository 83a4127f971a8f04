"""One field of a form, as the JSON schema of its shape describes it: how it looks and is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

Schema = Mapping[str, Any]
_WHOLE = re.compile(r"[-+]?[0-9]{1,30}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{1,30})?")
_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+")
_LONG = 1000
_WORDS = {"none": "None", "starttls": "STARTTLS", "tls": "TLS"}
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Field:
    """One field: `kind` text, number, password, textarea, list, select or yesno.

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


def derive(shape: type[BaseModel], base: str = "", about: str | None = None) -> list[Field]:
    """Return the fields of `shape`, those of shapes inside of it included.

    `about`: the base of the fields that its conditions name, where it is another one.
    """
    schema = shape.model_json_schema()
    found = _fields(schema, schema.get("$defs", {}), base)
    if about is None:
        return list(found)
    return [replace(one, shown_when=_moved(one.shown_when, base, about)) for one in found]


def _moved(shown_when: Mapping[str, Any], base: str, about: str) -> dict[str, Any]:
    return {about + pointer.removeprefix(base): values for pointer, values in shown_when.items()}


def _fields(schema: Schema, defs: Mapping[str, Schema], base: str) -> Iterable[Field]:
    required = set(schema.get("required", ()))
    for name, raw in schema.get("properties", {}).items():
        one, nullable = _plain(raw, defs)
        if one.get("readOnly"):
            continue
        if "properties" in one:
            yield from _fields(one, defs, f"{base}/{name}")
        else:
            yield _field(f"{base}/{name}", raw | one, base, nullable, name in required)


def _plain(raw: Schema, defs: Mapping[str, Schema]) -> tuple[dict[str, Any], bool]:
    """Return a schema without references and null, and whether null is allowed."""
    if "$ref" in raw:
        return {**defs[raw["$ref"].rpartition("/")[2]], **raw}, False
    kinds = raw.get("anyOf", [raw])
    rest = [kind for kind in kinds if kind.get("type") != "null"]
    one = dict(rest[0]) if rest else {}
    if "$ref" in one:
        one = dict(defs[one["$ref"].rpartition("/")[2]])
    return {**one, **{key: raw[key] for key in raw if key != "anyOf"}}, len(rest) < len(kinds)


def _field(pointer: str, schema: Schema, base: str, nullable: bool, required: bool) -> Field:
    kind, choices = _kind(schema), [(str(one), _label(one)) for one in schema.get("enum", ())]
    default = schema.get("default")
    return Field(
        pointer=pointer,
        title=schema.get("title", pointer.rpartition("/")[2]),
        kind=kind,
        help=schema.get("description", ""),
        required=required,
        nullable=nullable,
        default=default,
        choices=[(YES, "Yes"), (NO, "No")] if kind == "yesno" else choices,
        shown_when={
            f"{base}/{other}": values for other, values in schema.get("shownWhen", {}).items()
        },
        value=shown(default),
        whole=schema.get("type") != "number",
        longest=schema.get("maxLength"),
        more=bool(schema.get("more")),
    )


def _label(value: object) -> str:
    return _WORDS.get(str(value), str(value).replace("_", " ").capitalize())


def _kind(schema: Schema) -> str:
    if schema.get("type") == "boolean":
        return "yesno"
    if "enum" in schema:
        return "select"
    if schema.get("format") == "password":
        return "password"
    if schema.get("type") in {"integer", "number"}:
        return "number"
    if schema.get("type") == "array":
        return "list"
    return "textarea" if schema.get("maxLength", 0) > _LONG else "text"


def quoted(name: str) -> str:
    """Return a name as a part of a path."""
    return quote(name, safe="")
