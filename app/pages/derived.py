"""Fields as the JSON schema of a shape describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from app.pages.fields import NO, YES, Field, shown
from app.pages.rows import with_rows

Schema = Mapping[str, Any]
_LONG = 1000
_WORDS = {
    "none": "None", "starttls": "STARTTLS", "tls": "TLS", "US": "US", "EU": "EU",
    "Event Management": "Event Management",
}  # fmt: skip


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
            yield from _part(f"{base}/{name}", one, defs, nullable)
        else:
            inner = raw | one
            yield _field(f"{base}/{name}", inner, base, nullable, name in required, defs)


def _part(
    pointer: str, schema: Schema, defs: Mapping[str, Schema], nullable: bool
) -> Iterable[Field]:
    """Yield the fields of a shape inside of another one; it may be missing as a whole."""
    for one in _fields(schema, defs, pointer):
        more = one.more or bool(schema.get("more"))
        if nullable and not one.group:
            yield replace(
                one, group=pointer, needed=one.required, required=False, more=more,
                nullable=one.nullable or one.required,
            )  # fmt: skip
        else:
            yield replace(one, more=more)


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


def _field(  # noqa: PLR0913, PLR0917 - what a schema says of one field
    pointer: str,
    schema: Schema,
    base: str,
    nullable: bool,
    required: bool,
    defs: Mapping[str, Schema],
) -> Field:
    kind, choices = _kind(schema), [(str(one), _label(one)) for one in schema.get("enum", ())]
    default = schema.get("default")
    made = Field(
        pointer=pointer,
        title=schema.get("title", pointer.rpartition("/")[2]),
        kind=kind,
        help=schema.get("description", ""),
        required=required or bool(schema.get("needed")),
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
        columns=list(_columns(schema, defs)) if kind == "rows" else [],
    )
    return with_rows(made, []) if made.columns else made


def _columns(schema: Schema, defs: Mapping[str, Schema]) -> Iterable[Field]:
    item, _ = _plain(schema["items"], defs)
    return _fields(item, defs, "")


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
        return "rows" if "$ref" in schema.get("items", {}) else "list"
    # An address is one line, however long.
    long = schema.get("maxLength", 0) > _LONG and schema.get("format") != "uri"
    return "textarea" if long else "text"
