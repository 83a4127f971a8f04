"""The shape of the routing matrix, in bodies and in answers (S3; api.md, Configuring)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import Field, field_validator

from app.domain.event_kinds import Row, Severity
from app.errors import Fault, Invalid
from app.services.named import answered, answered_time
from app.services.retry_shape import RetryPolicyBody
from app.services.systems import Name
from app.shapes import Rule, Shape, fault, parse, text

MOST_SYSTEMS = 100
# More than any installation has; what is beyond is not looked at.
MOST_CELLS, MOST_SUBSCRIPTIONS = 1_000, 10_000
S = TypeVar("S", bound=Shape)


def _one_of(values: type[Row] | type[Severity]) -> Any:
    """Return the type of a word that is looked up later, so that all faults come at once."""
    return Rule(text(255).check, {"type": "string", "enum": [str(one) for one in values]})


RowName = Annotated[str, _one_of(Row)]
SeverityName = Annotated[str, _one_of(Severity)]


def _no_more(value: Any, most: int, what: str) -> Any:
    if isinstance(value, list) and len(value) > most:
        raise fault(f"must name at most {most:,} {what}, names {len(value):,}")
    return value


class CellBody(Shape):
    """The systems that are told of one source and severity."""

    source: RowName = Field(description="A source of events, or global: that of every source.")
    severity: SeverityName
    systems: list[Name] = Field(default=[], json_schema_extra={"maxItems": MOST_SYSTEMS})
    override: bool = Field(
        default=False, description="The systems of global are not told; global has none."
    )

    @field_validator("systems", mode="before")
    @classmethod
    def _bounded(cls, value: Any) -> Any:
        return _no_more(value, MOST_SYSTEMS, "systems")


_POLICY = {"type": "object", "properties": {"policy": {"type": "string"}}}


class SubscriptionBody(Shape):
    """The retry policy of one source and system; null: it has none of its own."""

    source: RowName
    system: Name
    retry_policy: RetryPolicyBody | None = None
    effective: Any = answered(
        "object",
        description="The policy that holds, and who says so.",
        properties={
            "retryPolicy": _POLICY,
            "origin": {"type": "string", "enum": ["own", "system", "default"]},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    )
    lane: Any = answered("string", nullable=True, description="The id of its lane.")
    state: Any = answered("string", nullable=True, description="Where its lane stands.")


class RoutesBody(Shape):
    """The routing matrix; a cell that is left out is empty."""

    cells: list[CellBody] = Field(default=[])
    subscriptions: list[SubscriptionBody] = Field(default=[])
    waiting: Any = answered(
        "array",
        items={"type": "object"},
        description="What waited where a system left its last cell of a source: "
        '{"source", "system", "count", "done": "sent" or "cancelled"}.',
    )
    revision: Any = answered("string", nullable=True, description="Events name theirs.")
    updated_at: Any = answered_time()

    @field_validator("cells", mode="before")
    @classmethod
    def _bounded_cells(cls, value: Any) -> Any:
        return _no_more(value, MOST_CELLS, "cells")

    @field_validator("subscriptions", mode="before")
    @classmethod
    def _bounded_subscriptions(cls, value: Any) -> Any:
        return _no_more(value, MOST_SUBSCRIPTIONS, "subscriptions")


@dataclass(frozen=True)
class Given:
    """What of a body has the right shape, by its pointer, and the faults of the rest."""

    cells: Mapping[str, CellBody] = field(default_factory=dict)
    subscriptions: Mapping[str, SubscriptionBody] = field(default_factory=dict)
    faults: Sequence[Fault] = ()


def given(document: Any) -> Given:
    """Return decoded JSON as the parts of a body; never raises, as a look-up may find more."""
    try:
        body = parse(RoutesBody, document)
    except Invalid as error:
        return Given(
            dict(_good(CellBody, document, "cells", MOST_CELLS)),
            dict(_good(SubscriptionBody, document, "subscriptions", MOST_SUBSCRIPTIONS)),
            error.faults,
        )
    return Given(
        {f"/cells/{index}": one for index, one in enumerate(body.cells)},
        {f"/subscriptions/{index}": one for index, one in enumerate(body.subscriptions)},
    )


def _good(shape: type[S], document: Any, name: str, most: int) -> Iterator[tuple[str, S]]:
    items = document.get(name) if isinstance(document, dict) else None
    for index, item in enumerate(items[:most] if isinstance(items, list) else ()):
        try:
            yield f"/{name}/{index}", parse(shape, item)
        except Invalid:
            continue  # named already
