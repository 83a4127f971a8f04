"""What a bulk registration may ask for: which integrations, and settings that suit all of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from sqlalchemy import ColumnElement, Connection, exists, select

from app.models import Integration, IntegrationDirection, Registration
from app.services import search
from app.services.integration_shape import Key
from app.services.registration_shape import (
    DirectionBody,
    GlobalBody,
    ProcessingBody,
    RegistrationBody,
)
from app.shapes import Rule, Shape, fault, text

MOST_KEYS = 20_000


def _on(sentence: str) -> Any:
    """Return the type of a switch that is on in every bulk registration (product.md 5, Bulk)."""

    def check(value: Any) -> bool:
        if value is not True:
            raise fault(sentence)
        return True

    return Rule(check, {"type": "boolean", "const": True})


_ALWAYS = "must be true: registering in bulk always turns {} notification on"


class BulkGlobalBody(GlobalBody):
    """The block of global failures, which is on."""

    enabled: Annotated[bool, _on(_ALWAYS.format("global"))] = True


class BulkProcessingBody(ProcessingBody):
    """The block of processing failures, which is on."""

    enabled: Annotated[bool, _on(_ALWAYS.format("processing"))] = True


class BulkDirectionBody(DirectionBody):
    """The settings of both directions."""

    global_: BulkGlobalBody = Field(default=BulkGlobalBody(), alias="global")
    processing: BulkProcessingBody = BulkProcessingBody()


class BulkRegistrationBody(RegistrationBody):
    """The settings of all integrations: one form, both directions alike, everything on."""

    integration: None = Field(None, description="They stand beside the registration.")
    same_for_backward: Annotated[
        bool, _on("must be true: registering in bulk gives both directions the same settings")
    ] = True
    forward: BulkDirectionBody
    backward: None = None

    @field_validator("integration", mode="before")
    @classmethod
    def _stands_beside(cls, value: Any) -> None:
        if value is not None:
            raise fault("must be left out: the integrations stand beside the registration")

    @field_validator("backward", mode="before")
    @classmethod
    def _hidden(cls, value: Any, info: ValidationInfo) -> None:
        if value is not None:
            raise fault("must be left out: the settings are the same for both directions")


class IntegrationFilter(Shape):
    """Which integrations; every condition must hold, without one all are meant."""

    registered: bool | None = Field(None, description="Whether it is registered.")
    q: Annotated[str, text(255)] | None = Field(None, description="Text in key or name.")
    status: Literal["active", "inactive"] | None = Field(
        None, description="active: at least one direction is; inactive: none is."
    )


class BulkBody(Shape):
    """A bulk registration: of the integrations that are named, or of those of a filter."""

    integrations: list[Key] | None = Field(None, min_length=1, max_length=MOST_KEYS)
    filter: IntegrationFilter | None = None
    registration: BulkRegistrationBody

    @model_validator(mode="after")
    def _asks_once(self) -> BulkBody:
        if (self.integrations is None) == (self.filter is None):
            raise fault("must have either integrations or a filter")
        return self


def keys_of(connection: Connection, body: BulkBody) -> list[str]:
    """Return the keys that `body` means, each once: as given, or those of the filter in order."""
    if body.filter is None:
        return list(dict.fromkeys(body.integrations or ()))
    query = select(Integration.key).where(*_conditions(body.filter)).order_by(Integration.key)
    return list(connection.scalars(query))


def _conditions(wanted: IntegrationFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.registered is not None:
        there = exists().where(Registration.integration_id == Integration.id, Registration.active)
        conditions.append(there if wanted.registered else ~there)
    if wanted.q is not None:
        columns = (Integration.key, Integration.name)
        conditions.append(search.contains(wanted.q, columns))
    if wanted.status is not None:
        direction = IntegrationDirection
        runs = exists().where(direction.integration_id == Integration.id, direction.active)
        conditions.append(runs if wanted.status == "active" else ~runs)
    return conditions
