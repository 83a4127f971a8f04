"""Retry policies: which one holds, which rows may have it, and how long a retry waits (S2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.event_kinds import Row, Source
from app.domain.kinds import Policy
from app.domain.retry import (
    DEFAULT,
    LONGEST,
    MONITOR_ROWS,
    NONE,
    REMOTE_ROWS,
    Origin,
    RetryPolicy,
    effective,
    expires_at,
    pause,
    refusal,
)

BOUNDED = RetryPolicy(Policy.BOUNDED, 7, 60)
ALWAYS = RetryPolicy(Policy.ALWAYS, delay=30)
POLICIES = (NONE, BOUNDED, ALWAYS)


def test_every_row_is_a_monitor_or_a_remote_row() -> None:
    assert MONITOR_ROWS | REMOTE_ROWS == set(Row) == {Row(one) for one in Source} | {Row.GLOBAL}
    assert not MONITOR_ROWS & REMOTE_ROWS
    assert {Row.BACKUPS, Row.COMMANDS, Row.REPAIRS, Row.ROLLING_RESTART} == REMOTE_ROWS


@pytest.mark.parametrize("row", Row)
@pytest.mark.parametrize("policy", POLICIES, ids=lambda one: one.policy)
def test_only_always_on_a_remote_row_is_refused_and_the_sentence_says_why(
    row: Row, policy: RetryPolicy
) -> None:
    problem = refusal(row, policy)
    assert (problem is not None) == (row in REMOTE_ROWS and policy is ALWAYS)
    assert problem is None or "remote operation" in problem


@pytest.mark.parametrize("row", Row)
@pytest.mark.parametrize("own", [None, *POLICIES])
@pytest.mark.parametrize("system", [None, *POLICIES])
def test_its_own_policy_holds_before_that_of_the_system_before_the_default(
    row: Row, own: RetryPolicy | None, system: RetryPolicy | None
) -> None:
    found = effective(row, own, system)
    if own is not None:
        expected = (own, Origin.OWN)
    elif system is None or (system is ALWAYS and row in REMOTE_ROWS):
        expected = (DEFAULT, Origin.DEFAULT)
    else:
        expected = (system, Origin.SYSTEM)
    assert (found.policy, found.origin) == expected
    inherits = own is None and system is ALWAYS and row in REMOTE_ROWS
    assert (found.note is not None) == inherits
    assert not inherits or "Bounded 3 / 10 s holds here" in str(found.note)


@pytest.mark.parametrize(
    ("policy", "noted"),
    [
        (NONE, False),
        (DEFAULT, False),
        (ALWAYS, False),
        (RetryPolicy(Policy.ALWAYS, delay=LONGEST), False),
        (RetryPolicy(Policy.BOUNDED, 1, LONGEST), False),
        (RetryPolicy(Policy.BOUNDED, 2, LONGEST // 2 + 1), True),
        (RetryPolicy(Policy.BOUNDED, 1000, 260), True),
        (RetryPolicy(Policy.BOUNDED, 1000, 259), False),
    ],
)
def test_retries_that_take_longer_than_3_days_are_noted(policy: RetryPolicy, noted: bool) -> None:
    assert (policy.note is not None) == noted
    assert (effective(Row.METRICS, policy, None).note is not None) == noted
    assert (effective(Row.METRICS, None, policy).note is not None) == noted
    assert not noted or "ends after 3 days" in str(policy.note)


@pytest.mark.parametrize(
    ("policy", "retries", "alone"),
    [(NONE, 1, True), (DEFAULT, 3, False), (BOUNDED, 7, False), (ALWAYS, None, False)],
)
def test_a_policy_says_how_many_retries_there_are(
    policy: RetryPolicy, retries: int | None, alone: bool
) -> None:
    assert (policy.retries, policy.alone) == (retries, alone)


@pytest.mark.parametrize(
    ("policy", "document"),
    [
        (NONE, {"policy": "None"}),
        (ALWAYS, {"policy": "Always", "retryDelay": 30}),
        (DEFAULT, {"policy": "Bounded", "retryNumber": 3, "retryDelay": 10}),
    ],
)
def test_a_policy_is_written_as_documented(
    policy: RetryPolicy, document: dict[str, object]
) -> None:
    assert policy.document == document


@pytest.mark.parametrize(
    ("delay", "asked", "seconds"),
    [
        (10, None, 10),
        (10, 0.0, 10),
        (10, -5.0, 10),
        (10, 9.5, 10),
        (10, 10.5, 10.5),
        (10, 3_600.0, 3_600),
        (10, 1e9, 3_600),
        (7_200, 3_600.0, 7_200),
    ],
)
def test_a_retry_waits_as_long_as_asked_but_an_hour_at_most_and_never_less_than_its_delay(
    delay: int, asked: float | None, seconds: float
) -> None:
    policy = RetryPolicy(Policy.BOUNDED, 3, delay)
    assert pause(policy, asked) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("days", "kept"), [(1, 1), (3, 3), (30, 3)])
def test_nothing_is_tried_for_more_than_3_days_after_its_report(days: int, kept: int) -> None:
    reported = datetime(2026, 11, 3, tzinfo=UTC)
    assert expires_at(reported, timedelta(days=days)) == reported + timedelta(days=kept)
