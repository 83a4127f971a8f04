"""What may be reported as an event: the body with its limits (api.md, Reporting)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import GroupedMetadata
from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    RootModel,
    StringConstraints,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from app.services.events.coded import NEEDED, disagreements, known
from app.services.intake.reports import Trace
from app.shapes import Moment, Shape, beside, fault, line_break, text, unstorable

MOST_EVENTS = 1_000
MOST_LABELS = 50
# Words and no enums, whose every use costs as much as the field itself.
SourceWord = Literal[
    "metrics",
    "backups",
    "serviceChecks",
    "nodes",
    "commands",
    "repairs",
    "rollingRestart",
    "integrations",
]
SeverityWord = Literal["info", "warning", "error", "critical"]
_TITLE = text(300, required=True, line=True)
_TITLE_SCHEMA = {"anyOf": [dict(_TITLE.schema), {"type": "null"}]}
_LINK = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)


def _stored(value: str) -> str:
    # Most texts are printable as they stand, which takes a tenth of the search.
    if not value.isprintable() and (problem := unstorable(value)):
        raise fault(problem)
    return value


def _given(value: str) -> str:
    if value.isspace():
        raise fault("must not be empty")
    return _stored(value)


def _title(value: Any, info: ValidationInfo) -> str | None:
    """Check the title, and what stands before it against the code: in one call for each event."""
    given = info.data
    if (
        type(value) is str
        and 0 < len(value) <= _TITLE.schema["maxLength"]
        and value.isprintable()
        and not value.isspace()
        and given.get("code", "") is None
        and given.get("source") is not None
        and given.get("severity") is not None
    ):
        return value
    return _looked_at(value, given)


def _looked_at(value: Any, given: Mapping[str, Any]) -> str | None:
    found = disagreements({**given, "title": value}, ("source", "severity", "title"))
    try:
        title = None if value is None else str(_TITLE.check(value))
    except PydanticCustomError as error:
        found["title"] = error.message()
    if found:
        raise beside(found)
    return title


def _link(value: str) -> str:
    if not _LINK.fullmatch(value) or line_break(value):
        raise fault("must be an address with https:// or http://")
    return _stored(value)


@dataclass(frozen=True, eq=False)
class _Beside:
    """A check of a value and of the fields before it, with the JSON schema of the value.

    pydantic's own PlainValidator would call Python for each field that is written, too.
    """

    check: Callable[[Any, ValidationInfo], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self.schema)


@dataclass(frozen=True)
class _Text(GroupedMetadata):
    """A text whose length pydantic itself checks, as 1,000 events have 10,000 of them."""

    longest: int
    check: Callable[[str], str]
    shortest: int = 0

    def __iter__(self) -> Iterator[Any]:
        """Return the parts of the check."""
        yield StringConstraints(min_length=self.shortest, max_length=self.longest)
        yield AfterValidator(self.check)


Labels = dict[Annotated[str, _Text(100, _given, 1)], Annotated[str, _Text(1_000, _stored)]]


class EventBody(Shape):
    """One event; `id` may stand in the Idempotency-Key header instead."""

    id: Annotated[str, _Text(128, _given, 1)] | None = Field(None, description="Idempotency key.")
    source: SourceWord | None = Field(None, description=NEEDED)
    severity: SeverityWord | None = Field(
        None, description=f"critical is kept as it is, and routed as error. {NEEDED}"
    )
    code: Annotated[str, _Text(100, known)] | None = Field(
        None,
        description="Entry of the error catalogue: gives source and severity, which must not "
        "contradict it, and the title where there is none.",
    )
    # Behind what its check looks at.
    title: Annotated[str | None, _Beside(_title, _TITLE_SCHEMA)] = Field(
        None, validate_default=True, description=NEEDED
    )
    description: Annotated[str, _Text(20_000, _stored)] | None = None
    status: Literal["firing", "resolved"] = "firing"
    dedup_key: Annotated[str, _Text(255, _given, 1)] | None = Field(
        None, description="What the event is about: deliveries of one key keep their order."
    )
    occurred_at: Moment | None = Field(None, description="Default: now.")
    node: Annotated[str, _Text(255, _stored)] | None = None
    labels: Labels = Field(default={}, max_length=MOST_LABELS)
    trace: Trace | None = None
    link: Annotated[str, _Text(2_000, _link, 1)] | None = Field(
        None, description="Address of a page, by http or https."
    )


class EventReport(RootModel[EventBody | list[EventBody]]):
    """One event, or an array of 1 to 1,000, which is taken as a whole or not at all."""
