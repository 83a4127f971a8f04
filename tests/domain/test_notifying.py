"""Who is told of a failure, when and why: the deciding function as a table (product.md 3 and 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.kinds import Outcome, Why
from app.domain.notifying import (
    GlobalFailure,
    ProcessingFailure,
    Rules,
    Told,
    When,
    decide_global,
    decide_processing,
)

NOW = datetime(2026, 11, 3, 10, 31, tzinfo=UTC)
HOURS = timedelta(hours=1)
REPEAT = 3 * HOURS
RULES = Rules()
ONCE = replace(RULES, failure_count=1)
TWENTY = replace(RULES, failure_count=20)
IMMEDIATE = replace(RULES, immediately=True)
NO_GLOBAL = replace(RULES, global_enabled=False)
NO_PROCESSING = replace(RULES, processing_enabled=False)
EARLY = replace(RULES, before_max_retries=True)
BASE = GlobalFailure(active=True, accessible=True, count=1)
LOST = replace(BASE, accessible=False)
WAITING, SENT = Told(None), Told(NOW - HOURS)
LONG_AGO, JUST_OVER = Told(NOW - 4 * HOURS), Told(NOW - REPEAT)
AHEAD, YEARS_AHEAD = Told(NOW + timedelta(seconds=1)), Told(NOW + timedelta(days=3650))


@pytest.mark.parametrize(
    ("rules", "failure", "outcome", "reason", "when"),
    [
        # the threshold: N failures in a row, mail with the pass
        (RULES, replace(BASE, count=1), Outcome.HOLD, Why.HELD, When.NEVER),
        (RULES, replace(BASE, count=2), Outcome.HOLD, Why.HELD, When.NEVER),
        (RULES, replace(BASE, count=3), Outcome.SEND, Why.COUNT_REACHED, When.WITH_PASS),
        (RULES, replace(BASE, count=7), Outcome.SEND, Why.COUNT_REACHED, When.WITH_PASS),
        (ONCE, BASE, Outcome.SEND, Why.COUNT_REACHED, When.WITH_PASS),
        (TWENTY, replace(BASE, count=19), Outcome.HOLD, Why.HELD, When.NEVER),
        (TWENTY, replace(BASE, count=20), Outcome.SEND, Why.COUNT_REACHED, When.WITH_PASS),
        # a second failure of a cycle reaches no threshold, whatever the count
        (RULES, replace(BASE, count=3, counted=False), Outcome.HOLD, Why.HELD, When.NEVER),
        (ONCE, replace(BASE, count=1, counted=False), Outcome.HOLD, Why.HELD, When.NEVER),
        # a threshold mail may follow another whatever told this row before
        (RULES, replace(BASE, count=3, told=SENT), Outcome.SEND, Why.COUNT_REACHED, When.WITH_PASS),
        # immediately: at once, each row once an episode, again after the repeat interval
        (IMMEDIATE, BASE, Outcome.SEND, Why.IMMEDIATE, When.AT_ONCE),
        (IMMEDIATE, replace(BASE, counted=False), Outcome.SEND, Why.IMMEDIATE, When.AT_ONCE),
        (IMMEDIATE, replace(BASE, told=WAITING), Outcome.SKIP, Why.ALREADY_TOLD, When.NEVER),
        (IMMEDIATE, replace(BASE, told=SENT), Outcome.SKIP, Why.REPEAT, When.NEVER),
        (IMMEDIATE, replace(BASE, told=JUST_OVER), Outcome.SEND, Why.IMMEDIATE, When.AT_ONCE),
        (IMMEDIATE, replace(BASE, told=LONG_AGO), Outcome.SEND, Why.IMMEDIATE, When.AT_ONCE),
        # sent by a clock that is ahead a little, or was by years
        (IMMEDIATE, replace(BASE, told=AHEAD), Outcome.SKIP, Why.REPEAT, When.NEVER),
        (IMMEDIATE, replace(BASE, told=YEARS_AHEAD), Outcome.SEND, Why.IMMEDIATE, When.AT_ONCE),
        (IMMEDIATE, replace(BASE, count=9, told=SENT), Outcome.SKIP, Why.REPEAT, When.NEVER),
        # not accessible: at once whatever the settings say; then the threshold goes on counting
        (RULES, LOST, Outcome.SEND, Why.NOT_ACCESSIBLE, When.AT_ONCE),
        (TWENTY, LOST, Outcome.SEND, Why.NOT_ACCESSIBLE, When.AT_ONCE),
        (IMMEDIATE, LOST, Outcome.SEND, Why.NOT_ACCESSIBLE, When.AT_ONCE),
        (IMMEDIATE, replace(LOST, told=SENT), Outcome.SKIP, Why.REPEAT, When.NEVER),
        (RULES, replace(LOST, told=SENT), Outcome.HOLD, Why.HELD, When.NEVER),
        (
            RULES,
            replace(LOST, told=WAITING, count=3),
            Outcome.SEND,
            Why.COUNT_REACHED,
            When.WITH_PASS,
        ),
        (RULES, replace(LOST, told=LONG_AGO), Outcome.SEND, Why.NOT_ACCESSIBLE, When.AT_ONCE),
        # nobody to tell
        (None, replace(LOST, count=20), Outcome.SKIP, Why.NOT_REGISTERED, When.NEVER),
        (RULES, replace(LOST, active=False), Outcome.SKIP, Why.DIRECTION_INACTIVE, When.NEVER),
        (NO_GLOBAL, LOST, Outcome.SKIP, Why.KIND_DISABLED, When.NEVER),
        (NO_GLOBAL, replace(BASE, count=20), Outcome.SKIP, Why.KIND_DISABLED, When.NEVER),
        (None, replace(BASE, active=False), Outcome.SKIP, Why.NOT_REGISTERED, When.NEVER),
    ],
)
def test_a_global_failure_is_decided(
    rules: Rules | None, failure: GlobalFailure, outcome: Outcome, reason: Why, when: When
) -> None:
    decision = decide_global(rules, failure, REPEAT, NOW)

    assert (decision.outcome, decision.reason, decision.when) == (outcome, reason, when)
    assert decision.sends is (outcome is Outcome.SEND)


@pytest.mark.parametrize(
    ("rules", "failure", "words"),
    [
        (RULES, replace(BASE, count=1), "1 of 3"),
        (RULES, replace(BASE, count=2), "2 of 3"),
        (RULES, replace(BASE, count=3), "3 of 3"),
        (RULES, replace(BASE, count=2, counted=False), "same cycle"),
        (RULES, LOST, "not accessible"),
        (IMMEDIATE, replace(BASE, told=SENT), "2026-11-03 12:31 UTC"),
        (IMMEDIATE, replace(BASE, told=WAITING), "waiting to be sent"),
        (None, BASE, "not registered"),
        (RULES, replace(BASE, active=False), "inactive"),
    ],
)
def test_a_decision_says_why_in_a_sentence(
    rules: Rules | None, failure: GlobalFailure, words: str
) -> None:
    text = decide_global(rules, failure, REPEAT, NOW).text

    assert words in text
    assert text.endswith(".")


@pytest.mark.parametrize(
    ("rules", "retries", "most", "told", "outcome", "reason"),
    [
        (RULES, 0, 3, None, Outcome.HOLD, Why.HELD),
        (RULES, 2, 3, None, Outcome.HOLD, Why.HELD),
        (RULES, 3, 3, None, Outcome.SEND, Why.RETRIES_EXHAUSTED),
        (RULES, 4, 3, None, Outcome.SEND, Why.RETRIES_EXHAUSTED),
        (RULES, 0, 0, None, Outcome.SEND, Why.RETRIES_EXHAUSTED),
        (EARLY, 0, 3, None, Outcome.SEND, Why.EARLY),
        (EARLY, 3, 3, None, Outcome.SEND, Why.RETRIES_EXHAUSTED),
        # told once, until notified is cleared; no interval brings it back
        (RULES, 9, 3, WAITING, Outcome.SKIP, Why.ALREADY_TOLD),
        (RULES, 9, 3, LONG_AGO, Outcome.SKIP, Why.ALREADY_TOLD),
        (EARLY, 1, 3, SENT, Outcome.SKIP, Why.ALREADY_TOLD),
        (NO_PROCESSING, 3, 3, None, Outcome.SKIP, Why.KIND_DISABLED),
        (NO_GLOBAL, 3, 3, None, Outcome.SEND, Why.RETRIES_EXHAUSTED),
        (None, 3, 3, None, Outcome.SKIP, Why.NOT_REGISTERED),
    ],
)
def test_a_processing_failure_is_decided(  # noqa: PLR0913, PLR0917 - one row of the table
    rules: Rules | None, retries: int, most: int, told: Told | None, outcome: Outcome, reason: Why
) -> None:
    failure = ProcessingFailure(active=True, retry_count=retries, max_retry_count=most, told=told)

    decision = decide_processing(rules, failure)

    assert (decision.outcome, decision.reason) == (outcome, reason)
    assert decision.when is (When.WITH_PASS if decision.sends else When.NEVER)


def test_a_processing_failure_of_an_inactive_direction_is_not_told() -> None:
    failure = ProcessingFailure(active=False, retry_count=3, max_retry_count=3)

    assert decide_processing(EARLY, failure).reason is Why.DIRECTION_INACTIVE
