"""When the Post Failure Notification job runs (S1, Configure Post Failure Notification Job)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.schedule import BUILT_IN, DEFAULT, ON_DEMAND, next_run

NOW = datetime(2026, 11, 3, 10, 31, tzinfo=UTC)


def test_the_built_in_schedules_have_the_documented_names_and_intervals() -> None:
    assert {name: schedule.interval for name, schedule in BUILT_IN.items()} == {
        "30 Second Schedule": timedelta(seconds=30),
        "1 Minute Schedule": timedelta(minutes=1),
        "5 Minute Schedule": timedelta(minutes=5),
        "10 Minute Schedule": timedelta(minutes=10),
        "30 Minute Schedule": timedelta(minutes=30),
        "24 Hour Schedule": timedelta(hours=24),
        "On Demand": None,
    }


def test_every_thirty_minutes_is_the_default() -> None:
    assert BUILT_IN[DEFAULT].interval == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("last", "due"),
    [
        (None, NOW),
        (NOW - timedelta(minutes=10), NOW + timedelta(minutes=20)),
        (NOW - timedelta(minutes=30), NOW),
        # missed passes are not made up for: one is due, not ten
        (NOW - timedelta(hours=5), NOW - timedelta(hours=4, minutes=30)),
        # a clock that was set back does not stop the job for as long as it was ahead
        (NOW + timedelta(days=3650), NOW),
        (NOW + timedelta(minutes=5), NOW),
        # that of another machine may be a little ahead
        (NOW + timedelta(seconds=30), NOW + timedelta(minutes=30, seconds=30)),
    ],
)
def test_a_pass_is_due_an_interval_after_the_last(last: datetime | None, due: datetime) -> None:
    assert next_run(BUILT_IN[DEFAULT], last, NOW) == due


def test_on_demand_never_runs_by_itself() -> None:
    assert next_run(BUILT_IN[ON_DEMAND], None, NOW) is None
    assert next_run(BUILT_IN[ON_DEMAND], NOW - timedelta(days=30), NOW) is None
