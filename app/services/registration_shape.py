"""The shape of a registration, in bodies and in answers (S1; api.md, Configuring)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from app.addresses import Addresses, SomeAddresses
from app.domain.kinds import Direction
from app.models import Registration, RegistrationDirection
from app.services.integration_shape import Key
from app.services.named import Answered, Document, answered_time
from app.services.systems import Name
from app.shapes import Shape, fault, text, whole

LONGEST_SILENCE = 44_640


class GlobalBody(Shape):
    """The block of global failures."""

    enabled: bool = Field(default=True, title="Enable global failure notification")
    no_activity_minutes: Annotated[int, whole(1, LONGEST_SILENCE)] | None = Field(
        default=None,
        title="Mail If No Activity Found In Job For",
        description="Minutes; null: silence is not told.",
    )
    immediately: bool = Field(default=False, title="Notify immediately when global failure occurs")
    failure_count: Annotated[int, whole(1, 20)] = Field(
        default=3, title="Notify when global failure count reaches"
    )


class ProcessingBody(Shape):
    """The block of processing failures."""

    enabled: bool = Field(default=True, title="Enable processing failure notification")
    before_max_retries: bool = Field(
        default=False, title="Notify even if failure is not retried till max count"
    )
    recipients: SomeAddresses | None = Field(
        default=None, title="Recipient Mail", description="null: the same as for global failures."
    )
    cc: Addresses | None = Field(
        default=None, title="CC Recipient", description="null: the same as for global failures."
    )


class DirectionBody(Shape):
    """The settings of one direction."""

    recipients: SomeAddresses = Field(
        title="Recipient Mail",
        description="A list, or one text with the addresses separated by comma, semicolon or line.",
    )
    cc: Addresses = Field(default=[], title="CC Recipient")
    subject_prefix: Annotated[str, text(100, line=True)] = Field(
        default="", title="Email Subject Prefix"
    )
    global_: GlobalBody = Field(default=GlobalBody(), alias="global")
    processing: ProcessingBody = ProcessingBody()

    @model_validator(mode="after")
    def _asks_for_something(self) -> DirectionBody:
        if not self.global_.enabled and not self.processing.enabled:
            raise fault(
                "enables neither global nor processing failure notification: unregister instead"
            )
        return self


class RegistrationBody(Answered):
    """Failure notification of an integration."""

    integration: Key | None = Field(None, description="May be left out where the path gives it.")
    system: Name = Field(title="Email server", description="The name of a mail system.")
    include_error_trace: bool = Field(default=True, title="Include Error Trace")
    same_for_backward: bool = Field(default=True, title="Same setting for backward direction")
    tell_recovery: bool = Field(default=True, title="Tell when it works again")
    forward: DirectionBody
    backward: DirectionBody | None = Field(
        default=None,
        description="Needed where sameForBackward is false. Ignored, and null in the answer, where "
        "it is true and where the integration runs one way only.",
    )
    registered_at: Any = answered_time()

    @field_validator("backward", mode="before")
    @classmethod
    def _hidden(cls, value: Any, info: ValidationInfo) -> Any:
        return None if info.data.get("same_for_backward") else value


def settings(body: RegistrationBody, system_id: int, *, same: bool) -> dict[str, Any]:
    """Return the settings of a registration as its row holds them; `same`: for both directions."""
    return {
        "system_id": system_id,
        "include_error_trace": body.include_error_trace,
        "same_for_backward": same,
        "tell_recovery": body.tell_recovery,
    }


def put(row: Registration, direction: Direction, body: DirectionBody | None) -> None:
    """Put the settings of a direction into the row, or none; the caller flushes."""
    found = next((one for one in row.directions if one.direction is direction), None)
    if body is None:
        if found is not None:
            row.directions.remove(found)
        return
    if found is None:
        found = RegistrationDirection(direction=direction)
        row.directions.append(found)
    for name, value in columns(body).items():
        setattr(found, name, value)


def columns(body: DirectionBody) -> dict[str, Any]:
    """Return the settings of a direction as its row holds them."""
    return {
        "recipients": body.recipients,
        "cc": body.cc,
        "subject_prefix": body.subject_prefix,
        "global_enabled": body.global_.enabled,
        "processing_enabled": body.processing.enabled,
        "no_activity_minutes": body.global_.no_activity_minutes,
        "immediately": body.global_.immediately,
        "failure_count": body.global_.failure_count,
        "before_max_retries": body.processing.before_max_retries,
        "processing_recipients": body.processing.recipients,
        "processing_cc": body.processing.cc,
    }


def configured(row: Registration) -> Document:
    """Return the settings of `row` as a PUT would say them, but for what they belong to."""
    rows = {one.direction: one for one in row.directions}
    backward = None if row.same_for_backward else rows.get(Direction.BACKWARD)
    return {
        "includeErrorTrace": row.include_error_trace,
        "sameForBackward": row.same_for_backward,
        "tellRecovery": row.tell_recovery,
        "forward": _document(rows[Direction.FORWARD]),
        "backward": _document(backward) if backward else None,
    }


def _document(row: RegistrationDirection) -> Document:
    return {
        "recipients": row.recipients,
        "cc": row.cc,
        "subjectPrefix": row.subject_prefix,
        "global": {
            "enabled": row.global_enabled,
            "noActivityMinutes": row.no_activity_minutes,
            "immediately": row.immediately,
            "failureCount": row.failure_count,
        },
        "processing": {
            "enabled": row.processing_enabled,
            "beforeMaxRetries": row.before_max_retries,
            "recipients": row.processing_recipients,
            "cc": row.processing_cc,
        },
    }
