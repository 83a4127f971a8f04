"""When it is pruned: once a night by one of many, again where it was cut short, never by a jump."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, update

from app import clock
from app.models import Audit, Failure, HourlyCount, Idempotency, Preference, Process, Trace
from app.services import counts, metrics, processes, timekeeping
from app.services.housekeeping import prune, prune_if_due
from app.services.housekeeping.turns import ROW
from app.services.installation import Installation
from app.services.intake.recording import prepare, record
from app.services.intake.reports import FailureBody, Report
from app.shapes import parse
from tests.services.makers import count_of, failures, set_up
from tests.services.spine import registered, report, rows
from tests.simulated import Simulated

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)


def old_failures(site: Installation, simulated: Simulated, number: int) -> None:
    """Make failures that are to be pruned."""
    set_up(site)
    failures(site, number)
    simulated.passes(days=63)


def test_it_is_pruned_once_a_night(site: Installation, simulated: Simulated) -> None:
    me, you = processes.register(site, "worker"), processes.register(site, "worker")
    simulated.reaches(NOON)
    assert prune_if_due(site, me), "the first time at once"
    assert not prune_if_due(site, me)
    assert not prune_if_due(site, you)

    simulated.passes(hours=15, seconds=-1)
    assert not prune_if_due(site, you)
    simulated.passes(seconds=1)
    assert prune_if_due(site, you), "at three in the morning"
    simulated.passes(hours=23)
    assert not prune_if_due(site, me)
    simulated.passes(hours=40)
    assert prune_if_due(site, me), "a machine that was off at night does it in the morning"


def test_a_prune_that_was_told_to_stop_is_taken_up_by_the_next(
    site: Installation, simulated: Simulated
) -> None:
    old_failures(site, simulated, 500)
    me, you = processes.register(site, "worker"), processes.register(site, "worker")
    steps = iter([True, True])

    assert not prune_if_due(site, me, lambda: next(steps, False))
    assert 0 < count_of(site, Failure) < 500
    assert prune_if_due(site, you)
    assert count_of(site, Failure) == 0
    assert not prune_if_due(site, me)


@pytest.mark.parametrize("whose", ["another", "own"])
def test_the_prune_of_a_dead_process_is_taken_up_and_that_of_a_living_one_is_not(
    site: Installation, simulated: Simulated, whose: str
) -> None:
    me, you = processes.register(site, "worker"), processes.register(site, "worker")
    owner = me if whose == "own" else you
    with site.store.writing() as connection:
        value = {"owner": owner, "done": False}
        row = {"name": ROW, "value": value, "updated_at": clock.utc_now()}
        connection.execute(insert(Preference), row)
    if whose == "another":
        assert not prune_if_due(site, me)
        with site.store.writing() as connection:
            dead = update(Process).where(Process.id == owner).values(started="gone")
            connection.execute(dead)

    assert prune_if_due(site, me)


def test_many_who_find_it_due_prune_once_and_two_at_once_do_no_harm(
    site: Installation, simulated: Simulated
) -> None:
    old_failures(site, simulated, 3_000)
    workers = [processes.register(site, "worker") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda worker: prune_if_due(site, worker), workers))
    assert done.count(True) == 1
    assert count_of(site, Failure) == 0

    failures(site, 3_000)
    simulated.passes(days=63)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: prune(site), range(2)))
    assert sum(one["failures"] for one in both if one) == 3_000
    assert count_of(site, Failure) == 0


@pytest.mark.parametrize("years", [10, -10])
def test_nothing_is_pruned_for_ten_minutes_after_the_clock_was_set(
    site: Installation, simulated: Simulated, years: int
) -> None:
    me = processes.register(site, "worker")
    assert prune_if_due(site, me)
    set_up(site)
    failures(site, 1)
    timekeeping.watch(site)

    simulated.jumps(days=365 * years)

    assert not prune_if_due(site, me)
    assert prune(site) is None
    assert count_of(site, Failure) == 1
    simulated.passes(minutes=10)
    assert prune_if_due(site, me), "from then on it is the time that counts"
    assert count_of(site, Failure) == (0 if years > 0 else 1)


def test_a_prune_ends_when_the_clock_jumps_in_its_middle(
    site: Installation, simulated: Simulated
) -> None:
    old_failures(site, simulated, 500)
    failures(site, 1)
    steps = iter([0, 0, 365 * 10])

    assert prune(site, lambda: bool(simulated.jumps(days=next(steps)))) is None

    assert count_of(site, Failure) > 1
    assert count_of(site, Audit) == 3


def test_what_a_report_counts_on_at_this_moment_is_not_pruned(
    site: Installation, simulated: Simulated
) -> None:
    """On PostgreSQL intake and the prune run side by side; on SQLite one waits for the other."""
    registered(site)
    for number in range(40):
        report(site, errorCode=f"E{number}", trace=f"trace {number}")
    simulated.passes(days=63)
    stopped, troubles = threading.Event(), []

    def repeat(start: int) -> None:
        try:
            number = start
            while not stopped.is_set():
                number += 2
                body = {
                    "kind": "global",
                    "message": "Login refused",
                    "errorCode": f"E{number % 40}",
                }
                made = parse(FailureBody, body | {"trace": f"trace {number % 40}"})
                record(site, [prepare(Report(1, None, "jira", made, clock.utc_now(), False))])
                counted.append(number % 40)
        except BaseException as error:
            troubles.append(error)

    counted: list[int] = []
    threads = [threading.Thread(target=repeat, args=(start,)) for start in range(2)]
    for thread in threads:
        thread.start()
    while len(counted) < 10:
        clock.sleep(0.001)
    for _ in range(20):
        prune(site)
    stopped.set()
    for thread in threads:
        thread.join()

    assert troubles == []
    told = {row.error_code: row for row in rows(site, Failure)}
    # Each report since the start is there: on its row from before, or on a new one.
    for number in set(counted):
        assert told[f"E{number}"].count in (counted.count(number), counted.count(number) + 1)
    with site.store.reading() as connection:
        kept = set(connection.scalars(select(Trace.hash)))
    assert {row.trace_hash for row in told.values()} <= kept


def test_metrics_tell_when_it_was_pruned_last(site: Installation, simulated: Simulated) -> None:
    simulated.reaches(NOON)
    prune_if_due(site, processes.register(site, "worker"))

    text = metrics.text(site)

    assert f"tocsin_last_prune_timestamp_seconds {NOON.timestamp()}\n" in text
    assert "tocsin_last_prune_rows 0\n" in text


def test_keys_and_counts_of_the_last_hours_stay(site: Installation, simulated: Simulated) -> None:
    registered(site)
    report(site, id="key")
    with site.store.writing() as connection:
        counts.add(connection, clock.utc_now(), {"activity": 1})
    simulated.passes(days=61)

    prune(site)

    assert count_of(site, Idempotency) == 1
    assert count_of(site, HourlyCount) == 2
