"""Keyset pages: the query parameters that every list has, cursors, and where a page ends."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from app.errors import Fault, Invalid
from app.services.documents import Page
from app.shapes import Moment, fault, text

MAX_LIMIT = 1000
MAX_ID = 2**63 - 1
R = TypeVar("R")
T = TypeVar("T")

_CURSOR = re.compile(r"(n?)([0-9]{1,19}(?:\.[0-9]{1,19})*)")
# How the base64 of "n" and a digit begins.
_NEWER = "b"
_OFFSET_WITH_BLANK = re.compile(r" (\d\d:\d\d)$")


class Query(BaseModel):
    """The parameters of a query: texts outside, frozen; unknown ones are refused by name."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )


def _limit(value: Any) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", str(value)) or not 1 <= int(value) <= MAX_LIMIT:
        raise fault(f"must be a whole number from 1 to {MAX_LIMIT:,}")
    return int(value)


def _flag(value: Any) -> bool | None:
    if value not in ("true", "false", None):
        raise fault("must be true or false")
    return None if value is None else bool(value == "true")


def _id(value: Any) -> int | None:
    if value is None:
        return None
    # In a body it may be anything.
    text_of = value if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9]{1,19}", text_of) or int(text_of) > MAX_ID:
        raise fault("is not an id")
    return int(text_of)


def _moment(value: Any) -> Any:
    """A plus sign that was not URL-encoded arrives as a blank: take it for what it meant."""
    return _OFFSET_WITH_BLANK.sub(r"+\1", value) if isinstance(value, str) else value


Limit = Annotated[
    int,
    BeforeValidator(_limit),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
]
Flag = Annotated[bool | None, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
IdFilter = Annotated[
    int | None,
    BeforeValidator(_id),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,19}$"}),
]
TextFilter = Annotated[str, text(255)]
MomentFilter = Annotated[Moment, BeforeValidator(_moment)]


class PageQuery(Query):
    """What every list takes."""

    limit: Limit = Field(100, description="Items a page.")
    cursor: Annotated[str, text(200)] | None = Field(None, description="`next` of the page before.")


@dataclass(frozen=True)
class Cursor:
    """The sort key beyond which a page lies; `newer`: before it, in the order of the list."""

    keys: tuple[int, ...]
    newer: bool = False


@dataclass(frozen=True)
class Part(Generic[R]):
    """The rows of one page in the order of the list, and the cursors of its neighbours."""

    rows: Sequence[R]
    next: str | None = None
    newer: str | None = None


def read_cursor(cursor: str | None, parts: int) -> Cursor | None:
    """Return where the page begins; raises Invalid for a foreign cursor."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        raw = ""
    found = _CURSOR.fullmatch(raw)
    keys = tuple(map(int, found[2].split("."))) if found else ()
    if not found or len(keys) != parts or max(keys) > MAX_ID:
        raise Invalid([Fault("/cursor", "is not a cursor of this list: give `next` of a page")])
    return Cursor(keys, found[1] == "n")


def write_cursor(*keys: int, newer: bool = False) -> str:
    """Return the opaque form of a sort key of whole numbers."""
    raw = ("n" if newer else "") + ".".join(map(str, keys))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def cut(rows: Sequence[R], wanted: PageQuery, key: Callable[[R], tuple[int, ...]]) -> Part[R]:
    """Cut `rows`, read with one more than a page has, to the page with its neighbours.

    Those of a newer page come the nearest first, as they are read, and are turned round here.
    """
    newer = is_newer(wanted)
    more, shown = len(rows) > wanted.limit, rows[: wanted.limit]
    if newer:
        shown = shown[::-1]
    if not shown:
        return Part(shown)
    older = write_cursor(*key(shown[-1])) if more or newer else None
    before = more if newer else wanted.cursor is not None
    return Part(shown, older, write_cursor(*key(shown[0]), newer=True) if before else None)


def is_newer(wanted: PageQuery) -> bool:
    """Whether the page before is asked for: its rows are read backwards."""
    cursor = wanted.cursor
    return cursor is not None and cursor.startswith(_NEWER)


@dataclass(frozen=True)
class Count:
    """How many rows a list has; `more`: at least so many."""

    number: int
    more: bool = False


def capped(number: int, cap: int) -> Count:
    """Return the count of rows that were counted to `cap` + 1."""
    return Count(min(number, cap), number > cap)


def page_of(items: list[T], part: Part[Any] | None = None) -> Page[T]:
    """Return the page of `items`, whose type is that of the list it stands in."""
    page: Page[T] = Page.model_construct(items=items, next=part.next if part else None)
    return page.beside(part.newer if part else None)
