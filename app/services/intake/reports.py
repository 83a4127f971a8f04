"""What may be reported of an integration: the bodies with their limits (api.md, Reporting)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from app.domain.kinds import Direction, Kind
from app.errors import TocsinError
from app.shapes import Moment, Shape, fault, text, whole

MAX_COUNT = 2**31 - 1
MAX_TRACE_BYTES = 1024 * 1024


def _trace(value: object) -> str:
    """Take any text of at most 1 MiB; a trace may hold control characters, it is kept as bytes."""
    if not isinstance(value, str):
        raise fault("must be a text")
    size = len(value.encode("utf-8", "surrogatepass"))
    if size > MAX_TRACE_BYTES:
        raise fault(f"must have at most 1 MiB (1,048,576 bytes), has {size:,}")
    return value


Trace = Annotated[
    str, BeforeValidator(_trace), WithJsonSchema({"type": "string", "maxLength": MAX_TRACE_BYTES})
]


class FailureBody(Shape):
    """A failure of an integration; `id` may stand in the Idempotency-Key header instead."""

    id: Annotated[str, text(128, required=True)] | None = Field(
        None, description="Idempotency key."
    )
    kind: Literal["global", "processing"] = Field(
        description="global: the whole cycle stopped; processing: one entity failed."
    )
    direction: Literal["forward", "backward"] = "forward"
    error_code: Annotated[str, text(100)] | None = None
    message: Annotated[str, text(4000, required=True)]
    trace: Trace | None = None
    entity_type: Annotated[str, text(255)] | None = None
    entity_id: Annotated[str, text(255, required=True)] | None = Field(
        None, description="Required for processing failures.", validate_default=True
    )
    project: Annotated[str, text(255)] | None = None
    cycle_id: Annotated[str, text(255, required=True)] | None = Field(
        None, description="Failures of one cycle count once towards the threshold."
    )
    retry_count: Annotated[int, whole(0, MAX_COUNT)] | None = None
    max_retry_count: Annotated[int, whole(0, MAX_COUNT)] | None = None
    accessible: bool = Field(
        True, description="false: the project or entity cannot be reached; told at once."
    )
    occurred_at: Moment | None = Field(None, description="Default: now.")

    @field_validator("entity_id")
    @classmethod
    def _names_its_entity(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("kind") == Kind.PROCESSING:
            raise fault("is required for a processing failure")
        return value


class ResolvedEntity(Shape):
    """An entity that has synchronised since."""

    entity_type: Annotated[str, text(255)] | None = None
    entity_id: Annotated[str, text(255, required=True)]


class ActivityBody(Shape):
    """A direction ran and did its work."""

    id: Annotated[str, text(128, required=True)] | None = Field(
        None, description="Idempotency key."
    )
    direction: Literal["forward", "backward"] = "forward"
    cycle_id: Annotated[str, text(255, required=True)] | None = None
    processed: Annotated[int, whole(0, MAX_COUNT)] | None = None
    occurred_at: Moment | None = Field(None, description="Default: now.")
    resolved_entities: list[ResolvedEntity] = Field(default=[], max_length=1000)


@dataclass(frozen=True)
class Report:
    """One body as received, with who sent it.

    `client_id` is the idempotency key, unique per API key; `may_create` says whether an unknown
    integration may be made.
    """

    api_key_id: int
    client_id: str | None
    integration_key: str
    body: FailureBody | ActivityBody
    received_at: datetime
    may_create: bool

    @cached_property
    def direction(self) -> Direction:
        """The direction it speaks of."""
        return Direction(self.body.direction)

    @cached_property
    def occurred_at(self) -> datetime:
        """When it happened; a time ahead of the receipt counts as the receipt."""
        given = self.body.occurred_at
        return self.received_at if given is None else min(given, self.received_at)

    def fingerprint(self) -> bytes:
        """Return what makes it the same body: endpoint, integration and given fields without id."""
        fields = self.body.model_dump_json(exclude={"id"}, exclude_unset=True)
        name = f"{type(self.body).__name__}\n{self.integration_key}\n{fields}"
        return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True)
class Answer:
    """What the sender is told: the document of api.md."""

    document: dict[str, object]


Result = Answer | TocsinError
