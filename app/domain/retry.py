"""The retry policy of a subscription (S2, Available Policies; product.md 9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.event_kinds import Row
from app.domain.kinds import Policy

# "The maximum period of retry for a notification message is 3 days" (S2); counted in seconds.
LONGEST = 259_200
LEAST_NUMBER, MOST_NUMBER = 1, 1_000
LEAST_DELAY, MOST_DELAY = 1, LONGEST
# An endpoint may ask for at most so long a pause (Retry-After), in seconds.
LONGEST_PAUSE = 3_600

MONITOR_ROWS = frozenset((Row.GLOBAL, Row.METRICS, Row.SERVICE_CHECKS, Row.NODES, Row.INTEGRATIONS))
REMOTE_ROWS = frozenset(Row) - MONITOR_ROWS

_WHY_NOT_ALWAYS = (
    "Always is for monitor rows only; this row tells the outcome of a remote operation, which is "
    "retried a limited number of times (None or Bounded)"
)


@dataclass(frozen=True)
class RetryPolicy:
    """How often a message is tried again, and how many seconds apart."""

    policy: Policy
    number: int = 3
    delay: int = 10

    @property
    def retries(self) -> int | None:
        """The timed retries after the first attempt; None: as many as fit into 3 days."""
        if self.alone:
            return 1
        return None if self.policy is Policy.ALWAYS else self.number

    @property
    def alone(self) -> bool:
        """Whether each message has its own attempts, and no other stands for it (None)."""
        return self.policy is Policy.NONE

    @property
    def document(self) -> dict[str, object]:
        """The policy as documented: None has neither number nor delay, Always no number."""
        if self.policy is Policy.NONE:
            return {"policy": str(self.policy)}
        if self.policy is Policy.ALWAYS:
            return {"policy": str(self.policy), "retryDelay": self.delay}
        return {
            "policy": str(self.policy),
            "retryNumber": self.number,
            "retryDelay": self.delay,
        }

    @property
    def note(self) -> str | None:
        """What an administrator should know of it: 3 days may be over before its retries are."""
        if self.policy is Policy.BOUNDED and self.number * self.delay > LONGEST:
            return "Its retries would take longer than 3 days: it ends after 3 days."
        return None


# "Only one single retry" (S2), ten seconds after the first attempt (product.md 9).
NONE = RetryPolicy(Policy.NONE, number=1, delay=10)
DEFAULT = RetryPolicy(Policy.BOUNDED, number=3, delay=10)


class Origin(StrEnum):
    """Who says the policy of a subscription."""

    OWN = "own"
    SYSTEM = "system"
    DEFAULT = "default"


@dataclass(frozen=True)
class Effective:
    """The policy that holds for a subscription, who says so, and what should be known of it."""

    policy: RetryPolicy
    origin: Origin
    note: str | None


def refusal(row: Row, policy: RetryPolicy) -> str | None:
    """Return why the subscription of `row` may not have `policy`, or None."""
    if policy.policy is Policy.ALWAYS and row in REMOTE_ROWS:
        return _WHY_NOT_ALWAYS
    return None


def effective(row: Row, own: RetryPolicy | None, system: RetryPolicy | None) -> Effective:
    """Return the policy of a subscription: its own, or its system's, or Bounded 3 / 10 s.

    Where a remote row would inherit Always, Bounded 3 / 10 s holds, and the note says so.
    """
    if own is not None:
        return Effective(own, Origin.OWN, own.note)
    if system is None:
        return Effective(DEFAULT, Origin.DEFAULT, None)
    if refusal(row, system) is not None:
        note = (
            "The system's policy is Always, which a remote operation cannot have: "
            f"Bounded {DEFAULT.number} / {DEFAULT.delay} s holds here."
        )
        return Effective(DEFAULT, Origin.DEFAULT, note)
    return Effective(system, Origin.SYSTEM, system.note)


def expires_at(reported_at: datetime, limit: timedelta) -> datetime:
    """Return when a message that was not delivered is given up; `limit` is 3 days at most (S2)."""
    return reported_at + min(limit, timedelta(seconds=LONGEST))


def pause(policy: RetryPolicy, retry_after: float | None) -> timedelta:
    """Return how long the next retry waits: the policy's delay, or longer where it was asked for.

    `retry_after`: seconds as the endpoint asked; at most an hour of it counts (channels.md).
    """
    asked = min(max(retry_after or 0.0, 0.0), LONGEST_PAUSE)
    delay = NONE.delay if policy.alone else policy.delay
    return timedelta(seconds=max(delay, asked))
