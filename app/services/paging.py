"""Keyset pages: the query parameters that every list has, cursors, and where a page ends."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from app.errors import Fault, Invalid
from app.services.documents import Page
from app.shapes import Moment, fault, text

MAX_LIMIT = 1000
MAX_ID = 2**63 - 1
R = TypeVar("R")
T = TypeVar("T")

_CURSOR = re.compile(r"[0-9]{1,19}(\.[0-9]{1,19})*")
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
    if not re.fullmatch(r"[0-9]{1,19}", value) or int(value) > MAX_ID:
        raise fault("is not an id")
    return int(value)


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


def read_cursor(cursor: str | None, parts: int) -> tuple[int, ...] | None:
    """Return the sort key after which the page begins; raises Invalid for a foreign cursor."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        raw = ""
    keys = tuple(map(int, raw.split("."))) if _CURSOR.fullmatch(raw) else ()
    if len(keys) != parts or max(keys) > MAX_ID:
        raise Invalid([Fault("/cursor", "is not a cursor of this list: give `next` of a page")])
    return keys


def write_cursor(*keys: int) -> str:
    """Return the opaque form of a sort key of whole numbers."""
    raw = ".".join(map(str, keys)).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def cut(
    rows: Sequence[R], limit: int, key: Callable[[R], tuple[int, ...]]
) -> tuple[Sequence[R], str | None]:
    """Cut `rows`, read with `limit + 1`, to a page; return it with the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], write_cursor(*key(rows[limit - 1]))


def page_of(items: list[T], cursor: str | None) -> Page[T]:
    """Return the page of `items`, whose type is that of the list it stands in."""
    return Page.model_construct(items=items, next=cursor)
