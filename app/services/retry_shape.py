"""The shape of a retry policy, in bodies and as it is stored (S2; api.md, Configuring)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from app.domain.kinds import Policy
from app.domain.retry import (
    DEFAULT,
    LEAST_DELAY,
    LEAST_NUMBER,
    MOST_DELAY,
    MOST_NUMBER,
    NONE,
    RetryPolicy,
)
from app.services.named import Document, answered
from app.shapes import Shape, fault, whole

OTHER_SPELLING, SPELLING = "maxRetryNumber", "retryNumber"
_Number = Annotated[int, whole(LEAST_NUMBER, MOST_NUMBER)]


class RetryPolicyBody(Shape):
    """How often what was not answered with success is sent again, and how many seconds apart."""

    policy: Literal["None", "Bounded", "Always"] = Field(
        description="None: one single retry after 10 seconds. Bounded: retryNumber retries. "
        "Always: for 3 days."
    )
    retry_number: _Number | None = Field(
        None, description=f"Of Bounded; left out: {DEFAULT.number}. Else ignored."
    )
    max_retry_number: _Number | None = Field(
        None, description="Another spelling of retryNumber, which is the one of answers."
    )
    retry_delay: Annotated[int, whole(LEAST_DELAY, MOST_DELAY)] | None = Field(
        None, description=f"Seconds, of Bounded and Always; left out: {DEFAULT.delay}."
    )
    note: Any = answered("string", nullable=True, description="What should be known of it.")

    @field_validator("max_retry_number")
    @classmethod
    def _said_once(cls, value: int | None, info: ValidationInfo) -> int | None:
        number = info.data.get("retry_number")
        if None not in (value, number) and value != number:
            raise fault(f"must be left out, or equal to {SPELLING}, of which it is a spelling")
        return value

    @property
    def value(self) -> RetryPolicy:
        """The policy; what does not apply to it is not kept."""
        policy, delay = Policy(self.policy), self.retry_delay or DEFAULT.delay
        if policy is Policy.NONE:
            return NONE
        if policy is Policy.ALWAYS:
            return RetryPolicy(Policy.ALWAYS, delay=delay)
        number = self.retry_number or self.max_retry_number or DEFAULT.number
        return RetryPolicy(Policy.BOUNDED, number, delay)


def policy_of(document: Mapping[str, Any] | None) -> RetryPolicy | None:
    """Return the policy that `RetryPolicy.document` has made this document of; None for none."""
    if document is None:
        return None
    return RetryPolicyBody.model_validate(document).value


def stored(body: RetryPolicyBody | None) -> Document | None:
    """Return what is kept of a policy."""
    return None if body is None else body.value.document


def spelled(changes: Any) -> Any:
    """Return a merge patch of a policy in the spelling of answers, so that it meets its field."""
    if not isinstance(changes, Mapping) or OTHER_SPELLING not in changes or SPELLING in changes:
        return changes
    rest = {name: value for name, value in changes.items() if name != OTHER_SPELLING}
    return {**rest, SPELLING: changes[OTHER_SPELLING]}


def shown(policy: RetryPolicy | None) -> Document | None:
    """Return the policy as answers show it, with its note where there is one."""
    if policy is None:
        return None
    return {**policy.document, **({"note": policy.note} if policy.note else {})}
