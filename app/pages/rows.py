"""A field that holds a table: rows of the same few boxes, such as the attributes of a webhook.

Without JavaScript: some empty rows stand at its end, and a row with nothing typed in it is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.pages.fields import Field

BLANK = 2
MOST = 200
Row = Sequence[Field]


def filled(one: Field, document: Mapping[str, Any], base: str) -> Field:
    """Return any field with what `document` has for it, whose own pointer is `base`."""
    if not one.columns:
        return one.filled(document, base)
    found: Any = document
    for part in one.pointer.removeprefix(base).strip("/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    items = [item for item in found if isinstance(item, Mapping)] if found else []
    return with_rows(one, [tuple(cell.filled(item, "") for cell in one.columns) for item in items])


def typed(one: Field, form: Mapping[str, str]) -> Field:
    """Return any field with what was typed, right or wrong."""
    return with_rows(one, list(_typed(one, form))) if one.columns else one.typed(form)


def read(one: Field, form: Mapping[str, str]) -> tuple[bool, Any]:
    """Return whether any field was given, and its value as JSON."""
    if not one.columns:
        return one.read(form)
    return True, [{_last(cell).strip("/"): cell.value for cell in row} for row in _typed(one, form)]


def with_rows(one: Field, rows: Sequence[Row]) -> Field:
    """Return the field with `rows` and some empty ones, each box with a name of its own."""
    whole = [*rows, *([one.columns] * BLANK)]
    named = [
        tuple(replace(cell, pointer=f"{one.pointer}/{nth}{_last(cell)}") for cell in cells)
        for nth, cells in enumerate(whole)
    ]
    return replace(one, rows=named, value=str(len(rows)) if rows else "")


def _typed(one: Field, form: Mapping[str, str]) -> Iterator[Row]:
    for nth in range(MOST):
        names = [f"{one.name}.{nth}.{_last(cell).strip('/')}" for cell in one.columns]
        if not any(name in form for name in names):
            return
        cells = tuple(
            replace(cell, value=form.get(name, ""))
            for name, cell in zip(names, one.columns, strict=True)
        )
        # A box to choose from always says something.
        if any(cell.value.strip() for cell in cells if cell.kind != "select"):
            yield cells


def _last(cell: Field) -> str:
    return "/" + cell.pointer.rpartition("/")[2]
