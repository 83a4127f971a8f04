"""What may be reported as an event: the body with its limits (api.md, Reporting)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import GroupedMetadata
from pydantic import AfterValidator, Field, RootModel, StringConstraints

from app.services.intake.reports import Trace
from app.shapes import Moment, Shape, fault, line_break, unstorable

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
_LINK = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)


def _stored(value: str) -> str:
    if problem := unstorable(value):
        raise fault(problem)
    return value


def _given(value: str) -> str:
    if value.isspace():
        raise fault("must not be empty")
    return _stored(value)


def _line(value: str) -> str:
    # Most titles are printable as they stand, which takes a tenth of the search.
    if not value.isprintable() and (problem := line_break(value)):
        raise fault(unstorable(value) or problem)
    return _given(value)


def _link(value: str) -> str:
    if not _LINK.fullmatch(value) or line_break(value):
        raise fault("must be an address with https:// or http://")
    return _stored(value)


def _code(value: str) -> str:
    raise fault(f"there is no entry {value!r} in the error catalogue")


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
    source: SourceWord
    severity: Literal["info", "warning", "error", "critical"] = Field(
        description="critical is kept as it is, and routed as error."
    )
    code: Annotated[str, _Text(100, _code)] | None = Field(
        None, description="Entry of the error catalogue, which has none yet."
    )
    title: Annotated[str, _Text(300, _line, 1)]
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
