"""When the Post Failure Notification job runs (S1, Configure Post Failure Notification Job)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.schedule import BUILT_IN, DEFAULT, ON_DEMAND, Schedule, next_run, upcoming

NOW = datetime(2026, 11, 3, 10, 31, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Two and a half hours ago.
EIGHT = NOW.replace(hour=8, minute=0)


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


@pytest.mark.parametrize(
    ("n", "unit", "interval", "words"),
    [
        (10, "seconds", timedelta(seconds=10), "Every 10 seconds"),
        (1, "minutes", timedelta(minutes=1), "Every minute"),
        (36, "hours", timedelta(hours=36), "Every 36 hours"),
        (2, "days", timedelta(days=2), "Every 2 days"),
        (1, "weeks", timedelta(days=7), "Every week"),
        (31_449_600, "seconds", timedelta(weeks=52), "Every 31,449,600 seconds"),
    ],
)
def test_an_interval_has_any_number_of_any_unit(
    n: int, unit: str, interval: timedelta, words: str
) -> None:
    schedule = Schedule(n, unit)
    assert (schedule.interval, schedule.sentence) == (interval, words)
    assert next_run(schedule, NOW, NOW) == NOW + interval


@pytest.mark.parametrize(("unit", "due"), [("seconds", True), ("hours", False)])
def test_a_shorter_interval_makes_a_pass_due_that_is_overdue_by_it(unit: str, due: bool) -> None:
    at = next_run(Schedule(30, unit), NOW - HOUR, NOW)
    assert at is not None
    assert (at <= NOW) is due


@pytest.mark.parametrize(
    ("last", "since", "due"),
    [
        # nothing is known: at once
        (None, None, NOW),
        # in force since now: what it named before was no run of it
        (None, NOW, EIGHT + DAY),
        (NOW - 30 * DAY, NOW, EIGHT + DAY),
        (NOW - 30 * DAY, NOW - HOUR, EIGHT + DAY),
        # in force and missed, once however often
        (None, NOW - 4 * HOUR, EIGHT),
        (NOW - 30 * DAY, NOW - 7 * DAY, EIGHT - 6 * DAY),
        (NOW - 3 * DAY, NOW - 7 * DAY, EIGHT - 2 * DAY),
        (EIGHT, NOW - 7 * DAY, EIGHT + DAY),
        # a pass by an earlier schedule counts, wherever it lies
        (EIGHT - HOUR, None, EIGHT),
        (EIGHT + HOUR, NOW - 7 * DAY, EIGHT + DAY),
        # clocks that were set back
        (NOW + 3650 * DAY, NOW, NOW),
        (NOW - 3 * HOUR, NOW + 3650 * DAY, EIGHT),
        (NOW - 2 * HOUR, NOW + 3650 * DAY, EIGHT + DAY),
        (None, NOW + 3650 * DAY, NOW),
        # those of two machines
        (NOW + timedelta(seconds=30), None, EIGHT + DAY),
        (None, NOW + timedelta(seconds=30), EIGHT + DAY),
    ],
)
def test_a_cron_line_is_due_when_it_was_missed_since_it_is_in_force(
    last: datetime | None, since: datetime | None, due: datetime
) -> None:
    assert next_run(Schedule(None, None, "0 8 * * *", "UTC", since), last, NOW) == due


def test_an_interval_asks_for_the_last_pass_only() -> None:
    assert next_run(Schedule(1, "hours", since=NOW), None, NOW) == NOW
    assert next_run(Schedule(1, "hours", since=NOW), NOW - DAY, NOW) == NOW - DAY + HOUR


def test_a_cron_line_without_a_zone_is_read_in_utc() -> None:
    assert next_run(Schedule(None, None, "0 8 * * *"), NOW, NOW) == EIGHT + DAY
    assert Schedule(None, None, "0 8 * * *").sentence == "At 08:00 every day (UTC)"


def test_a_cron_line_is_told_with_its_zone() -> None:
    schedule = Schedule(None, None, "0 8 * * MON-FRI", "Europe/Berlin")
    assert schedule.sentence == "At 08:00 on Monday through Friday (Europe/Berlin)"
    assert BUILT_IN[ON_DEMAND].sentence == "Never by itself"


@pytest.mark.parametrize(
    ("schedule", "last", "expected"),
    [
        (BUILT_IN[ON_DEMAND], NOW, []),
        (Schedule(2, "hours"), NOW, [NOW + n * 2 * HOUR for n in (1, 2, 3, 4, 5)]),
        (Schedule(2, "hours"), NOW - HOUR, [NOW - HOUR + n * 2 * HOUR for n in (1, 2, 3, 4, 5)]),
        # overdue: now, and from now on
        (Schedule(2, "hours"), NOW - DAY, [NOW + n * 2 * HOUR for n in (0, 1, 2, 3, 4)]),
        (Schedule(2, "hours"), None, [NOW + n * 2 * HOUR for n in (0, 1, 2, 3, 4)]),
        (Schedule(None, None, "0 8 * * *"), NOW, [EIGHT + n * DAY for n in (1, 2, 3, 4, 5)]),
        (
            Schedule(None, None, "0 8 * * *"),
            NOW - DAY,
            [NOW, *(EIGHT + n * DAY for n in (1, 2, 3, 4))],
        ),
    ],
)
def test_the_next_five_runs_are_told(
    schedule: Schedule, last: datetime | None, expected: list[datetime]
) -> None:
    assert upcoming(schedule, last, NOW) == expected


def test_the_next_runs_follow_the_clock_of_the_zone_through_its_change() -> None:
    friday = datetime(2026, 10, 23, 12, tzinfo=UTC)
    found = upcoming(Schedule(None, None, "30 2 * * *", "Europe/Berlin"), friday, friday)
    assert [f"{at:%d %H:%M}" for at in found] == [
        "24 00:30", "25 00:30", "26 01:30", "27 01:30", "28 01:30",
    ]  # fmt: skip
