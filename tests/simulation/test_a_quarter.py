"""Ninety days of two integrations: every mail at its hour, and what is left of it all."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from sqlalchemy import func, select

from app.models import (
    Attempt,
    Delivery,
    DeliveryItem,
    DeliveryRecipient,
    DispatchRun,
    Failure,
    HourlyCount,
    Idempotency,
    Trace,
)
from app.services.housekeeping import prune
from app.services.installation import Installation
from app.services.reading.counts import DAY, sums
from tests.services.makers import count_of
from tests.services.spine import active, deliveries, mail_server, report, rows
from tests.simulated import Simulated
from tests.simulation.world import DOWN, START, Arrived, World

RETENTION = timedelta(days=62)
FAILS = {72: "A", 74: "A", 76: "A", 960: "B", 962: "B", 964: "B"}
SILENT = range(480, 528)
OUTAGE = range(958, 1006)
# Until when it is looked at every so many hours: closely where something happens.
STEPS = {48: 24, 72: 12, 84: 2, 96: 12, 456: 24, 552: 6, 936: 24, 960: 6, 972: 2, 1032: 6, 2160: 24}
# The mail server of the other integration is away for longer than anything is kept.
LONG_OUTAGE = range(120, 1800)


def test_a_quarter_of_a_year(site: Installation, simulated: Simulated) -> None:
    world = World(site, simulated)
    with mail_server() as near, mail_server() as far:
        world.mail_system("Near", near)
        world.mail_system("Far", far)
        world.watch("jira", "Near", noActivityMinutes=24 * 60)
        world.watch("sap", "Far", immediately=True)

        def each(hour: float) -> None:
            near.script.replies = DOWN if hour in OUTAGE else {}
            far.script.replies = DOWN if hour in LONG_OUTAGE else {}
            if hour == LONG_OUTAGE.start:
                report(site, "sap", id="sap", errorCode="S", message="Far", trace="its trace")
            if code := FAILS.get(int(hour)):
                report(site, errorCode=code, id=f"{hour}", cycleId=f"{hour}", trace=code)
            elif hour not in SILENT:
                active(site)

        for hour, step in STEPS.items():
            world.until(hour, step, each)

        assert world.arrived == [
            Arrived(76, "failure", "jira"),
            Arrived(78, "recovery", "jira"),
            Arrived(504, "inactivity", "jira"),
            Arrived(528, "recovery", "jira"),
            # Says itself that it works again since hour 966.
            Arrived(1008, "failure", "jira"),
            # Waited for 70 days, longer than anything else is kept.
            Arrived(1800, "failure", "sap"),
        ]
        world.check()
        _assert_left(world)
        _assert_edges(site, simulated)
        world.check()


def _assert_left(world: World) -> None:
    """What is younger than 62 days at the last prune, and nothing else."""
    site = world.site
    last_prune = START + timedelta(days=90)
    limit = last_prune - RETENTION
    with site.store.reading() as connection:
        oldest = connection.scalar(select(func.min(DispatchRun.finished_at)))
        older = HourlyCount.hour < last_prune
        shards = connection.scalars(select(HourlyCount.shard).where(older).distinct()).all()
    assert oldest == limit
    kept = [hour for hour in world.hours if START + timedelta(hours=hour) >= limit]
    assert count_of(site, DispatchRun) == len(kept)
    assert shards == [0]
    assert [(mail.kind, mail.state) for mail in deliveries(site)] == [
        ("failure", "delivered"),
        ("failure", "delivered"),
    ]
    failures = Counter((row.error_type, row.error_code) for row in rows(site, Failure))
    assert failures == {("integration", "B"): 1, ("integration", "S"): 1, ("other", None): 2}
    assert (count_of(site, Trace), count_of(site, Idempotency)) == (2, 3)
    assert count_of(site, DeliveryItem) == count_of(site, DeliveryRecipient) == 2
    counts = sums(site, ["activity", "failures.global"], START, START + 90 * DAY, DAY)
    assert sum(counts["failures.global"]) == 3
    assert counts["activity"][:28] == [0] * 28
    assert counts["activity"][28:30] == [1, 1]


def _assert_edges(site: Installation, simulated: Simulated) -> None:
    """What was told last, and late, is kept from then on: to the second."""
    told = START + timedelta(hours=1800)
    simulated.reaches(told + RETENTION)
    prune(site)
    assert [row.error_code for row in rows(site, Failure)] == ["S"]
    assert (count_of(site, Delivery), count_of(site, Trace)) == (1, 1)

    simulated.passes(seconds=1)
    prune(site)
    for model in (Failure, Delivery, DeliveryItem, DeliveryRecipient, Attempt, Trace):
        assert count_of(site, model) == 0, model


def test_a_direction_that_was_silent_for_longer_than_anything_is_kept_is_told_to_work_again(
    site: Installation, simulated: Simulated
) -> None:
    world = World(site, simulated)
    with mail_server() as sink:
        world.mail_system("Mail", sink)
        world.watch("jira", "Mail", noActivityMinutes=24 * 60)
        active(site)
        world.until(32, 8)
        simulated.passes(days=70)
        world.work()
        assert deliveries(site) == []
        active(site)
        world.until(world.hour + 2, 2)

    assert [mail.kind for mail in world.arrived] == ["inactivity", "recovery"]
    world.check()


def test_mail_waits_however_long_its_server_is_away_and_so_does_what_it_tells(
    site: Installation, simulated: Simulated
) -> None:
    world = World(site, simulated)
    with mail_server() as sink:
        world.mail_system("Mail", sink)
        world.watch("jira", "Mail", immediately=True)
        sink.script.replies = DOWN
        for code in ("A", "B"):
            report(site, errorCode=code, trace=code)
            world.work()
        for _ in range(12):
            simulated.passes(days=30)
            world.work()
        assert {mail.state for mail in deliveries(site)} == {"pending"}
        assert count_of(site, Trace) == 2

        sink.script.replies = {}
        simulated.passes(hours=1)
        world.work()

        assert len(sink.mails) == 2
        assert all(b"A" in mail.body or b"B" in mail.body for mail in sink.mails)
    world.check()
