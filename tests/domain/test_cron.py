"""Cron lines: what is refused and why, and when they run, in every zone and on every odd day."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from app.domain.cron import next_after, problem, sentence, zones

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def runs(line: str, zone: str, after: str, number: int) -> list[str]:
    """Return the runs that follow `after`, a time in UTC, as day and time in UTC."""
    found, at = [], datetime.fromisoformat(after).replace(tzinfo=UTC)
    for _ in range(number):
        following = next_after(line, zone, at)
        assert following is not None
        assert following > at
        found.append(f"{following:%m-%d %H:%M}")
        at = following
    return found


@pytest.mark.parametrize(
    ("line", "after", "expected"),
    [
        ("0 8 * * MON-FRI", "2026-11-05T08:00", ["11-06 08:00", "11-09 08:00", "11-10 08:00"]),
        ("*/20 * * * *", "2026-11-05T08:01:30", ["11-05 08:20", "11-05 08:40", "11-05 09:00"]),
        # the time of the last run is no next one, a second before it is
        ("0 8 * * *", "2026-11-05T08:00:00", ["11-06 08:00"]),
        ("0 8 * * *", "2026-11-05T07:59:59", ["11-05 08:00"]),
        ("0 8 * * *", "2026-11-05T07:59:59.999999", ["11-05 08:00"]),
        # ends of months
        ("0 0 31 * *", "2026-01-31T00:00", ["03-31 00:00", "05-31 00:00", "07-31 00:00"]),
        ("0 0 L * *", "2028-01-31T00:00", ["02-29 00:00", "03-31 00:00", "04-30 00:00"]),
        ("59 23 31 12 *", "2026-12-31T23:59", ["12-31 23:59"]),
        # the leap day, and the one that a century leaves out
        ("0 0 29 2 *", "2026-11-05T00:00", ["02-29 00:00", "02-29 00:00"]),
        # a day of the month or one of the week, if both are named
        ("0 0 13 * FRI", "2026-11-05T00:00", ["11-06 00:00", "11-13 00:00", "11-20 00:00"]),
        ("0 0 * * 7", "2026-11-05T00:00", ["11-08 00:00"]),
        ("0 0 * * 0", "2026-11-05T00:00", ["11-08 00:00"]),
    ],
)
def test_a_line_runs_at_the_times_that_it_names(line: str, after: str, expected: list[str]) -> None:
    assert runs(line, "UTC", after, len(expected)) == expected


def test_the_leap_day_comes_in_leap_years_only() -> None:
    at = next_after("0 0 29 2 *", "UTC", datetime(2096, 2, 29, tzinfo=UTC))
    assert at == datetime(2104, 2, 29, tzinfo=UTC)


def test_a_line_is_read_by_the_clock_of_its_zone() -> None:
    assert runs("0 8 * * *", BERLIN, "2026-07-01T00:00", 1) == ["07-01 06:00"]
    assert runs("0 8 * * *", BERLIN, "2026-12-01T00:00", 1) == ["12-01 07:00"]
    assert runs("0 8 * * *", "Asia/Kathmandu", "2026-12-01T00:00", 1) == ["12-01 02:15"]


@pytest.mark.parametrize(
    ("zone", "line", "after", "expected"),
    [
        # Berlin, 29 March: 02:00 becomes 03:00 at 01:00 UTC
        (BERLIN, "30 2 * * *", "2026-03-28T02:00", ["03-29 01:00", "03-30 00:30"]),
        (BERLIN, "0,30 2 * * *", "2026-03-28T02:00", ["03-29 01:00", "03-30 00:00"]),
        (BERLIN, "*/10 2 * * *", "2026-03-28T02:00", ["03-29 01:00", "03-30 00:00"]),
        (BERLIN, "30 3 * * *", "2026-03-28T03:00", ["03-29 01:30", "03-30 01:30"]),
        # 02:00 and 03:00 meet in one run
        (BERLIN, "0 2,3 * * *", "2026-03-28T03:00", ["03-29 01:00", "03-30 00:00"]),
        (BERLIN, "0 */2 * * *", "2026-03-28T23:30", ["03-29 01:00", "03-29 02:00"]),
        # New York, 8 March: 02:00 becomes 03:00 at 07:00 UTC
        (NEW_YORK, "15 2 * * *", "2026-03-07T12:00", ["03-08 07:00", "03-09 06:15"]),
        (NEW_YORK, "0 2 8 3 *", "2026-03-07T12:00", ["03-08 07:00"]),
        # Lord Howe, 4 October: 02:00 becomes 02:30 at 15:30 UTC of the day before
        (LORD_HOWE, "0 2 * * *", "2026-10-03T12:00", ["10-03 15:30", "10-04 15:00"]),
        (LORD_HOWE, "*/20 3 * * *", "2026-10-03T12:00", ["10-03 16:00", "10-03 16:20"]),
        (LORD_HOWE, "15,45 2 * * *", "2026-10-03T12:00", ["10-03 15:30", "10-03 15:45"]),
    ],
)
def test_a_time_that_the_clock_skips_runs_once_at_the_next_minute_there_is(
    zone: str, line: str, after: str, expected: list[str]
) -> None:
    assert runs(line, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("zone", "line", "after", "expected"),
    [
        # Berlin, 25 October: 03:00 becomes 02:00 at 01:00 UTC
        (BERLIN, "30 2 * * *", "2026-10-24T02:00", ["10-25 00:30", "10-26 01:30"]),
        (BERLIN, "*/30 2 * * *", "2026-10-24T02:00", ["10-25 00:00", "10-25 00:30", "10-26 01:00"]),
        # asked between 02:30 and its double
        (BERLIN, "30 2 * * *", "2026-10-25T01:10", ["10-26 01:30"]),
        (BERLIN, "0 */2 * * *", "2026-10-24T22:00", ["10-25 00:00", "10-25 03:00"]),
        # New York, 1 November: 02:00 becomes 01:00 at 06:00 UTC
        (NEW_YORK, "30 1 * * *", "2026-10-31T12:00", ["11-01 05:30", "11-02 06:30"]),
        (NEW_YORK, "0 1-3 * * *", "2026-10-31T12:00", ["11-01 05:00", "11-01 07:00"]),
        # Lord Howe, 5 April: 02:00 becomes 01:30 at 15:00 UTC of the day before
        (LORD_HOWE, "45 1 * * *", "2026-04-04T12:00", ["04-04 14:45", "04-05 15:15"]),
        (LORD_HOWE, "0 */2 * * *", "2026-04-04T12:00", ["04-04 13:00", "04-04 15:30"]),
    ],
)
def test_a_time_that_the_clock_shows_twice_runs_once(
    zone: str, line: str, after: str, expected: list[str]
) -> None:
    assert runs(line, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("zone", "after"),
    [
        (BERLIN, "2026-03-29T00:00"),
        (BERLIN, "2026-10-24T23:00"),
        (NEW_YORK, "2026-03-08T05:00"),
        (NEW_YORK, "2026-11-01T04:00"),
        (LORD_HOWE, "2026-10-03T14:00"),
        (LORD_HOWE, "2026-04-04T13:00"),
        # midnight itself is skipped, and shown twice
        ("Africa/Cairo", "2026-04-23T20:00"),
        ("America/Havana", "2026-11-01T02:00"),
    ],
)
@pytest.mark.parametrize("line", ["*/10 * * * *", "*/10 0-23 * * *", "*/10 */1 * * *"])
def test_a_line_of_every_hour_follows_real_time_through_a_change_of_the_clock(
    zone: str, after: str, line: str
) -> None:
    at = datetime.fromisoformat(after).replace(tzinfo=UTC)
    times = [at]
    for _ in range(30):
        following = next_after(line, zone, times[-1])
        assert following is not None
        times.append(following)
    assert {(later - earlier).total_seconds() for earlier, later in pairwise(times)} == {600}


def test_once_an_hour_stays_once_an_hour_when_the_clock_changes_by_one() -> None:
    assert runs("30 * * * *", BERLIN, "2026-03-29T00:00", 3) == [
        "03-29 00:30", "03-29 01:30", "03-29 02:30",
    ]  # fmt: skip
    assert runs("30 * * * *", BERLIN, "2026-10-25T00:00", 3) == [
        "10-25 00:30", "10-25 01:30", "10-25 02:30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("* * * *", "must have five fields (minute, hour, day of the month, month,"),
        ("0 8 * * * *", "has 6"),
        ("@daily", "has 1"),
        ("60 8 * * *", "the minute (field 1)"),
        ("0 24 * * *", "the hour (field 2)"),
        ("0 8 0 * *", "the day of the month (field 3)"),
        ("0 8 32 * *", "the day of the month (field 3)"),
        ("0 8 * 13 *", "the month (field 4)"),
        ("0 8 * * 8", "the day of the week (field 5)"),
        ("0 8 * * SAT-SUN", "the day of the week (field 5)"),
        ("0 8 * * MONDAY", "the day of the week (field 5)"),
        ("*/0 8 * * *", "the minute (field 1)"),
        ("-1 8 * * *", "the minute (field 1)"),
        ("30-10 8 * * *", "the minute (field 1)"),
        ("1,, 8 * * *", "the minute (field 1)"),
        ("² ٣ * * *", "the minute (field 1)"),
        ("9" * 190 + " * * * *", "the minute (field 1)"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6 *", "never comes"),
        ("0 0 */20 * 1L", "never comes"),
    ],
)
def test_a_line_that_cannot_run_is_refused_by_its_faulty_field(line: str, words: str) -> None:
    assert words in (problem(line) or "")


def test_every_faulty_field_is_named() -> None:
    found = problem("60 24 * 13 *") or ""
    assert [name in found for name in ("minute", "hour", "month (field 4)")] == [True] * 3
    assert "week" not in found


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 8 * * MON-FRI", "At 08:00 on Monday through Friday"),
        ("*/10 * * * *", "Every 10th minute of every hour"),
        ("0 0 31 * *", "At 00:00 on the 31st day of every month"),
        ("0 0 11 * *", "At 00:00 on the 11th day of every month"),
    ],
)
def test_a_line_is_told_in_words(line: str, words: str) -> None:
    assert problem(line) is None
    assert sentence(line) == words


def test_zones_are_those_of_iana_and_not_that_of_this_machine() -> None:
    assert {"UTC", BERLIN, NEW_YORK, LORD_HOWE, "America/Argentina/Buenos_Aires"} <= zones()
    assert not {"localtime", "Factory", "europe/berlin", "", "posix/UTC"} & zones()
