"""Rolling up: the shards of past hours become one row a name, and no count is lost or doubled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select

from app.models import HourlyCount
from app.services import counts
from app.services.housekeeping import roll_up, roll_up_if_due
from app.services.installation import Installation
from tests.simulated import Simulated

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def count(site: Installation, hour: datetime, **shards: int) -> None:
    """Add counts of an hour: `s3=5` is five on shard 3."""
    rows = [
        {"hour": hour, "name": name, "shard": int(shard[1:]), "count": number}
        for name in ("activity", "failures.global")
        for shard, number in shards.items()
    ]
    with site.store.writing() as connection:
        connection.execute(insert(HourlyCount), rows)


def stored(site: Installation) -> list[tuple[datetime, str, int, int]]:
    """Return all rows in order."""
    key = (HourlyCount.hour, HourlyCount.name, HourlyCount.shard)
    with site.store.reading() as connection:
        rows = connection.execute(select(*key, HourlyCount.count).order_by(*key))
        return [(hour, name, shard, number) for hour, name, shard, number in rows]


def test_hours_that_began_two_hours_ago_are_merged_and_later_ones_are_left(
    site: Installation, simulated: Simulated
) -> None:
    for age in (1, 2, 30):
        count(site, NOON - age * HOUR, s1=2, s7=3, s64=4)
    simulated.reaches(NOON + timedelta(minutes=59))

    assert roll_up(site) == 2
    assert roll_up(site) == 0

    merged = [
        (NOON - age * HOUR, name, 0, 9)
        for age in (30, 2)
        for name in ("activity", "failures.global")
    ]
    assert stored(site)[:4] == merged
    assert len(stored(site)) == 4 + 6


def test_what_is_counted_late_is_added_by_the_next_roll_up(
    site: Installation, simulated: Simulated
) -> None:
    count(site, NOON, s3=1)
    simulated.reaches(NOON + 3 * HOUR)
    roll_up(site)
    count(site, NOON, s3=5, s4=1)
    roll_up(site)

    assert stored(site) == [(NOON, "activity", 0, 7), (NOON, "failures.global", 0, 7)]


def test_two_who_roll_up_at_once_count_nothing_twice(
    site: Installation, simulated: Simulated
) -> None:
    for age in range(5, 45):
        count(site, NOON - age * HOUR, **{f"s{shard}": shard for shard in range(1, 11)})
    simulated.reaches(NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: roll_up(site), range(4)))

    assert {(shard, number) for _, _, shard, number in stored(site)} == {(0, 55)}
    assert len(stored(site)) == 80


def test_a_process_rolls_up_once_an_hour(site: Installation, simulated: Simulated) -> None:
    simulated.reaches(NOON)
    roll_up_if_due(site)
    count(site, NOON - 5 * HOUR, s1=1)
    roll_up_if_due(site)
    assert {row[2] for row in stored(site)} == {1}

    simulated.passes(hours=1)
    roll_up_if_due(site)
    assert {row[2] for row in stored(site)} == {0}


def test_counts_of_the_future_are_left_until_their_time(
    site: Installation, simulated: Simulated
) -> None:
    simulated.reaches(NOON)
    with site.store.writing() as connection:
        counts.add(connection, NOON, {"activity": 1})
    simulated.jumps(days=-3650)

    assert roll_up(site) == 0
