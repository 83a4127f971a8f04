"""Counting by hour: reports taken and deliveries ended, in the transaction of what happened."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app import clock
from app.domain.kinds import DeliveryState
from app.errors import Conflict, NotFound
from app.models import HourlyCount, Process
from app.services import counts, lanes, processes
from app.services.installation import Installation
from app.services.intake.recording import prepare, record
from app.services.intake.reports import ActivityBody, FailureBody, Report
from app.shapes import parse
from tests.services.makers import lane_of, set_up, waiting_mail
from tests.services.spine import Post, active, at_once, mail_server, registered, report
from tests.simulated import Simulated

HOUR = datetime(2031, 5, 6, 12, tzinfo=UTC)


def counted(site: Installation) -> Counter[str]:
    """Return what was counted so far, by name."""
    found: Counter[str] = Counter()
    with site.store.reading() as connection:
        for name, count in connection.execute(select(HourlyCount.name, HourlyCount.count)):
            found[name] += count
    return found


def test_each_report_that_is_taken_counts_by_what_it_tells(site: Installation) -> None:
    registered(site)
    for _ in range(3):
        report(site, errorCode="E")
    report(site, kind="processing", entityId="1")
    active(site)

    assert counted(site) == {"failures.global": 3, "failures.processing": 1, "activity": 1}


def test_what_is_repeated_or_refused_does_not_count(site: Installation) -> None:
    registered(site)

    def of(key: str, client_id: str | None, body: FailureBody | ActivityBody) -> Report:
        return Report(1, client_id, key, body, clock.utc_now(), may_create=False)

    failure = parse(FailureBody, {"kind": "global", "message": "It broke."})
    other = parse(FailureBody, {"kind": "global", "message": "It broke again."})
    wished = [of("jira", "a", failure), of("jira", "a", failure), of("jira", "a", other)]
    wished += [of("unknown", None, failure), of("jira", None, parse(ActivityBody, {}))]

    for _ in range(2):
        results = record(site, [prepare(one) for one in wished])
        assert [type(one) for one in results[2:4]] == [Conflict, NotFound]

    assert counted(site) == {"failures.global": 1, "activity": 2}


def test_it_counts_in_the_hour_in_which_it_was_taken(
    site: Installation, simulated: Simulated
) -> None:
    registered(site)
    simulated.reaches(HOUR + timedelta(minutes=59, seconds=59))
    report(site, occurredAt=(HOUR - timedelta(days=3)).isoformat())
    simulated.passes(seconds=1)
    report(site)
    report(site)

    with site.store.reading() as connection:
        query = select(HourlyCount.hour, HourlyCount.count).order_by(HourlyCount.hour)
        rows = [tuple(row) for row in connection.execute(query)]
    assert rows == [(HOUR, 1), (HOUR + timedelta(hours=1), 2)]


def test_a_delivered_mail_counts_and_one_that_is_put_off_does_not(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        post = Post(site)
        report(site, errorCode="E")
        post.serve()
        sink.script.replies = {"CONNECT": "421 4.3.2 busy"}
        report(site, errorCode="F")
        post.serve()
        assert counted(site)["deliveries.delivered"] == 1
        sink.script.replies = {}
        post.run_pass()

    assert counted(site)["deliveries.delivered"] == 2
    assert counted(site)["deliveries.dead"] == 0


def test_a_mail_that_nobody_is_left_for_counts_as_delivered_or_not_at_all(
    site: Installation,
) -> None:
    with mail_server() as sink:
        registered(site, sink.port)
        waiting_mail(site, due_at=clock.utc_now())
        Post(site).serve()

    assert counted(site) == {}, "it told nothing and was cancelled"


def test_a_quarantined_mail_counts_as_dead(site: Installation) -> None:
    set_up(site)
    dead = processes.register(site, "worker")
    with site.store.writing() as connection:
        connection.execute(update(Process).values(started="gone"))
    waiting_mail(site, state=DeliveryState.LEASED, started=True, lost_leases=2)

    assert lanes.claim(site, lane_of(site).id, dead, 60)

    assert counted(site) == {"deliveries.dead": 1}


def test_processes_count_on_rows_of_their_own(site: Installation) -> None:
    shards = {counts._shard(pid) for pid in range(1000, 1000 + counts.SHARDS)}

    assert shards == set(range(1, counts.SHARDS + 1))


@pytest.mark.parametrize("number", [0, 1, 1_000_000])
def test_a_count_adds_to_what_is_there(site: Installation, number: int) -> None:
    for _ in range(3):
        with site.store.writing() as connection:
            counts.add(connection, clock.utc_now(), {"activity": number})

    assert counted(site)["activity"] == 3 * number
