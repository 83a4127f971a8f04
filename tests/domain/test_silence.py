"""Silence and recovery as tables (S1; product.md 3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.kinds import Outcome, Why
from app.domain.notifying import Rules, When
from app.domain.silence import Ended, Quiet, decide_recovery, decide_silence, minutes

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def quiet(
    activity: float | None = 7,
    *,
    registered: float = 100,
    activated: float = 100,
    active: bool = True,
    told: bool = False,
) -> Quiet:
    last = None if activity is None else hours_ago(activity)
    return Quiet(active, hours_ago(registered), hours_ago(activated), last, told)


@pytest.mark.parametrize(
    ("case", "limit", "expected"),
    [
        pytest.param(quiet(7), 360, Why.INACTIVITY, id="longer than the limit"),
        pytest.param(quiet(6), 360, None, id="exactly the limit is not longer"),
        pytest.param(quiet(5), 360, None, id="within the limit"),
        pytest.param(quiet(7), None, None, id="off"),
        pytest.param(quiet(7, active=False), 360, None, id="inactive directions are not watched"),
        pytest.param(quiet(7, registered=1), 360, None, id="the clock starts at registration"),
        pytest.param(quiet(7, activated=1), 360, None, id="the clock starts at activation"),
        pytest.param(quiet(None), 360, Why.INACTIVITY, id="never any activity"),
        pytest.param(quiet(None, registered=2), 360, None, id="never any, but just registered"),
        pytest.param(quiet(7, told=True), 360, Why.ALREADY_TOLD, id="its failure was told"),
        pytest.param(
            quiet(745, registered=800, activated=800),
            44_640,
            Why.INACTIVITY,
            id="the longest limit",
        ),
    ],
)
def test_silence_is_told_once_it_is_longer_than_the_limit(
    case: Quiet, limit: int | None, expected: Why | None
) -> None:
    decision = decide_silence(Rules(), limit, case, NOW)
    assert (decision and decision.reason) == expected
    if expected is Why.INACTIVITY:
        assert decision is not None
        assert decision.when is When.WITH_PASS


def test_silence_is_not_told_where_global_failures_are_not() -> None:
    assert decide_silence(Rules(global_enabled=False), 360, quiet(7), NOW) is None
    assert decide_silence(None, 360, quiet(7), NOW) is None


@pytest.mark.parametrize(
    ("ended", "wanted", "rules", "outcome", "why"),
    [
        (Ended(told=True, waits=False), True, Rules(), Outcome.SEND, Why.RECOVERY),
        (Ended(told=True, waits=True), True, Rules(), Outcome.SEND, Why.RECOVERY),
        (Ended(told=False, waits=True), True, Rules(), Outcome.SKIP, Why.ALREADY_TOLD),
        (Ended(told=True, waits=False), False, Rules(), Outcome.SKIP, Why.KIND_DISABLED),
        (
            Ended(told=True, waits=False),
            True,
            Rules(global_enabled=False),
            Outcome.SKIP,
            Why.KIND_DISABLED,
        ),
        (Ended(told=True, waits=False), True, None, Outcome.SKIP, Why.NOT_REGISTERED),
    ],
)
def test_recovery_is_told_to_those_who_were_told_of_the_failure(
    ended: Ended, wanted: bool, rules: Rules | None, outcome: Outcome, why: Why
) -> None:
    decision = decide_recovery(rules, ended, wanted=wanted)
    assert decision is not None
    assert (decision.outcome, decision.reason) == (outcome, why)


def test_nothing_is_told_of_an_episode_that_was_not_told() -> None:
    assert decide_recovery(Rules(), Ended(told=False, waits=False), wanted=True) is None


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (1, "1 minute"),
        (15, "15 minutes"),
        (60, "1 hour"),
        (90, "1 hour 30 minutes"),
        (360, "6 hours"),
        (44_640, "31 days"),
        (1_501, "1 day 1 hour 1 minute"),
    ],
)
def test_a_limit_is_said_in_words(length: int, words: str) -> None:
    assert minutes(length) == words
