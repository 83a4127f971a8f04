"""Who is told of a failure, when, and why: the one deciding function (S1; product.md 3 and 4).

Plain values in, a Decision out; preview, test, simulation and production call the same function.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from app.domain.kinds import Outcome, Why


class When(Enum):
    """When the mail of a decision goes."""

    AT_ONCE = "at once"
    WITH_PASS = "with the next dispatch pass"  # noqa: S105 - a pass of the job, no password
    NEVER = "never"


@dataclass(frozen=True)
class Rules:
    """What the registration of one direction asks for; `failure_count` is 1 to 20."""

    global_enabled: bool = True
    immediately: bool = False
    failure_count: int = 3
    processing_enabled: bool = True
    before_max_retries: bool = False


@dataclass(frozen=True)
class Told:
    """The last mail that told this failure row in this episode; `sent_at` None: it still waits."""

    sent_at: datetime | None


@dataclass(frozen=True)
class GlobalFailure:
    """A job failure as it stands: `count` is the direction's consecutive count with this one in it.

    `counted` is False when an earlier report of the same cycle has counted already.
    """

    active: bool
    accessible: bool
    count: int
    counted: bool = True
    told: Told | None = None


@dataclass(frozen=True)
class ProcessingFailure:
    """A failed entity as it stands: retried `retry_count` times of `max_retry_count`."""

    active: bool
    retry_count: int
    max_retry_count: int
    told: Told | None = None


@dataclass(frozen=True)
class Decision:
    """The stored answer to "was this sent, and why"; `when` says by which way the mail goes."""

    outcome: Outcome
    reason: Why
    text: str
    when: When = When.NEVER

    @property
    def sends(self) -> bool:
        """Whether a mail is due."""
        return self.outcome is Outcome.SEND


NOT_REGISTERED = Decision(
    Outcome.SKIP,
    Why.NOT_REGISTERED,
    "The integration is not registered for failure notification.",
)


def decide_global(
    rules: Rules | None, failure: GlobalFailure, repeat_interval: timedelta, now: datetime
) -> Decision:
    """Decide one global failure (S1, Register For Failure Notification; product.md 3).

    `rules` is None where the integration is not registered. `repeat_interval` bounds how often
    one failure row is told at once.
    """
    if rules is None:
        return NOT_REGISTERED
    if silent := _silent(active=failure.active, kind_enabled=rules.global_enabled):
        return silent
    if rules.immediately or not failure.accessible:
        again = _told_already(failure.told, repeat_interval, now)
        if again is None:
            return _at_once(failure)
        if rules.immediately:
            return again
    return _threshold(rules, failure)


def decide_processing(rules: Rules | None, failure: ProcessingFailure) -> Decision:
    """Decide one processing failure (S1, Enable processing failure notification; product.md 4)."""
    if rules is None:
        return NOT_REGISTERED
    if silent := _silent(active=failure.active, kind_enabled=rules.processing_enabled):
        return silent
    if failure.told:
        state = "was sent" if failure.told.sent_at else "goes with the next pass"
        return _skip(Why.ALREADY_TOLD, f"This failure is told once; its mail {state}.")
    tries = f"Retried {failure.retry_count} of {failure.max_retry_count} times"
    if failure.retry_count >= failure.max_retry_count:
        return _send(Why.RETRIES_EXHAUSTED, f"{tries}: no retry is left.", When.WITH_PASS)
    if rules.before_max_retries:
        text = f"{tries}; this registration does not wait for the rest."
        return _send(Why.EARLY, text, When.WITH_PASS)
    return Decision(Outcome.HOLD, Why.HELD, f"{tries}; mail goes when no retry is left.")


def _silent(*, active: bool, kind_enabled: bool) -> Decision | None:
    if not active:
        return _skip(Why.DIRECTION_INACTIVE, "The direction is inactive: stored, and not told.")
    if not kind_enabled:
        return _skip(Why.KIND_DISABLED, "The registration does not ask for this kind of failure.")
    return None


def _at_once(failure: GlobalFailure) -> Decision:
    if not failure.accessible:
        text = "The project or entity is not accessible: told at once, whatever the settings say."
        return _send(Why.NOT_ACCESSIBLE, text, When.AT_ONCE)
    return _send(Why.IMMEDIATE, "This registration asks for mail at once.", When.AT_ONCE)


def _told_already(told: Told | None, repeat_interval: timedelta, now: datetime) -> Decision | None:
    """Return why this row is not told again now, or None; the interval runs from the send.

    A send further ahead than the interval is the mark of a clock that has been set back since: to
    wait for it could silence the row for years.
    """
    if told is None:
        return None
    if told.sent_at is None:
        return _skip(Why.ALREADY_TOLD, "A mail that tells this failure is waiting to be sent.")
    if abs(now - told.sent_at) >= repeat_interval:
        return None
    again = told.sent_at + repeat_interval
    hours = repeat_interval / timedelta(hours=1)
    text = f"Told in this episode; again after {hours:g} hours, from {again:%Y-%m-%d %H:%M} UTC on."
    return _skip(Why.REPEAT, text)


def _threshold(rules: Rules, failure: GlobalFailure) -> Decision:
    so_far = f"{failure.count} of {rules.failure_count}"
    if failure.count >= rules.failure_count and failure.counted:
        return _send(Why.COUNT_REACHED, f"{so_far} failures in a row.", When.WITH_PASS)
    if not failure.counted:
        text = f"{so_far}: an earlier report of the same cycle has counted."
        return Decision(Outcome.HOLD, Why.HELD, text)
    return Decision(Outcome.HOLD, Why.HELD, f"{so_far} failures in a row.")


def _send(reason: Why, text: str, when: When) -> Decision:
    return Decision(Outcome.SEND, reason, text, when)


def _skip(reason: Why, text: str) -> Decision:
    return Decision(Outcome.SKIP, reason, text)
