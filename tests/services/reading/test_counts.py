"""The figures of the charts: sums by hour and by day, over rolled up hours and fresh ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.services import counts
from app.services.housekeeping import roll_up
from app.services.installation import Installation
from app.services.reading.counts import DAY, HOUR, sums
from tests.simulated import Simulated

MIDNIGHT = datetime(2031, 5, 6, tzinfo=UTC)
NAMES = ("failures.global", "deliveries.dead")


def happened(site: Installation, at: datetime, **numbers: int) -> None:
    """Count at a time: `failures_global=3`."""
    named = {name.replace("_", "."): number for name, number in numbers.items()}
    with site.store.writing() as connection:
        counts.add(connection, at, named)


def test_each_hour_has_its_count_and_those_without_have_0(
    site: Installation, simulated: Simulated
) -> None:
    happened(site, MIDNIGHT + timedelta(minutes=59), failures_global=2, activity=9)
    happened(site, MIDNIGHT + timedelta(hours=3), failures_global=1, deliveries_dead=4)
    simulated.reaches(MIDNIGHT + timedelta(hours=3))
    roll_up(site)
    happened(site, MIDNIGHT, failures_global=5)

    found = sums(site, NAMES, MIDNIGHT, MIDNIGHT + timedelta(hours=5), HOUR)

    assert found == {"failures.global": [7, 0, 0, 1, 0], "deliveries.dead": [0, 0, 0, 4, 0]}


def test_what_is_outside_of_the_span_does_not_count(site: Installation) -> None:
    for hours in (-1, 0, 4, 5):
        happened(site, MIDNIGHT + timedelta(hours=hours), failures_global=1)

    found = sums(site, NAMES[:1], MIDNIGHT, MIDNIGHT + timedelta(hours=5), HOUR)

    assert found["failures.global"] == [1, 0, 0, 0, 1]


def test_days_begin_where_the_span_begins(site: Installation) -> None:
    for hours in (0, 1, 23, 24, 25, 47):
        happened(site, MIDNIGHT + timedelta(hours=hours), failures_global=1)

    utc = sums(site, NAMES[:1], MIDNIGHT, MIDNIGHT + 2 * DAY, DAY)
    # Two hours east of Greenwich, and a day that has not ended.
    east = sums(site, NAMES[:1], MIDNIGHT - 2 * HOUR, MIDNIGHT + 25 * HOUR, DAY)

    assert utc["failures.global"] == [3, 3]
    assert east["failures.global"] == [2, 2]


def test_a_span_of_nothing_is_empty(site: Installation) -> None:
    assert sums(site, NAMES, MIDNIGHT, MIDNIGHT, HOUR) == {name: [] for name in NAMES}
    assert sums(site, [], MIDNIGHT, MIDNIGHT + DAY, HOUR) == {}
