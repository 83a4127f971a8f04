"""A clock that jumps: audited once, held to by all, and nothing ends by it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from sqlalchemy import select, update

from app import clock
from app.clock import utc_now
from app.domain.kinds import DeliveryState, LaneState
from app.models import Audit, Preference, Process
from app.services import dispatch, health, lanes, processes, timekeeping
from app.services.installation import Installation
from app.services.sweep import sweep
from tests.services.makers import lane_of, set_up, waiting_mail
from tests.services.spine import Post, at_once, deliveries, mail_server, report, rows
from tests.simulated import Simulated

JUMPS = pytest.mark.parametrize("hours", [1, -1, 87_600, -87_600])


def jumps_in(site: Installation) -> list[Any]:
    """Return the jumps in the audit log."""
    return [row for row in rows(site, Audit) if row.action == "jump"]


def as_another_process(site: Installation) -> None:
    """Forget what this process has seen of the clocks."""
    timekeeping._known.pop(site.store, None)


@JUMPS
def test_a_jump_is_logged_and_audited_once_however_many_notice_it(
    site: Installation, simulated: Simulated, hours: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert timekeeping.watch(site)
    caplog.set_level(logging.WARNING)

    simulated.jumps(hours=hours)
    assert not timekeeping.watch(site)
    as_another_process(site)
    assert not timekeeping.watch(site)
    assert not timekeeping.watch(site)

    (jump,) = jumps_in(site)
    assert (jump.actor, jump.subject_kind) == ("clock", "clock")
    assert abs(jump.after["seconds"] - hours * 3600) <= 2
    assert len([one for one in caplog.messages if "was set" in one]) == 1


def test_each_jump_is_audited(site: Installation, simulated: Simulated) -> None:
    timekeeping.watch(site)
    for hours in (1, -1, -1, 10):
        simulated.jumps(hours=hours)
        timekeeping.watch(site)
    simulated.passes(days=100)
    timekeeping.watch(site)

    assert [round(row.after["seconds"] / 3600) for row in jumps_in(site)] == [1, -1, -1, 10]


def test_many_small_steps_are_no_jump(site: Installation, simulated: Simulated) -> None:
    for _ in range(10):
        simulated.jumps(seconds=30)
        assert timekeeping.watch(site)

    assert jumps_in(site) == []


def test_a_jump_while_the_server_was_off_is_noticed_at_its_start(
    site: Installation, simulated: Simulated
) -> None:
    timekeeping.watch(site)
    simulated.jumps(hours=-5)
    as_another_process(site)
    clock.settle()
    assert not clock.unsteady()

    assert not timekeeping.watch(site)

    assert clock.unsteady()
    assert len(jumps_in(site)) == 1
    as_another_process(site)
    clock.settle()
    assert not timekeeping.watch(site), "the next process to start holds as well"


def test_the_jump_of_another_machine_is_held_to_as_well(
    site: Installation, simulated: Simulated
) -> None:
    timekeeping.watch(site)

    def of_another(ahead: float, until: float = 0.0) -> None:
        with site.store.writing() as connection:
            mine = Preference.name == timekeeping.ROW
            clocks = connection.scalar(select(Preference.value).where(mine))
            assert isinstance(clocks, dict)
            changed = clocks | {"elsewhere": {"ahead": ahead, "until": until}}
            connection.execute(update(Preference).where(mine).values(value=changed))

    of_another(5_000.0)
    assert timekeeping.watch(site), "it is new"
    of_another(5_030.0)
    assert timekeeping.watch(site), "it is steady"
    of_another(9_000.0)
    assert not timekeeping.watch(site)
    assert jumps_in(site) == [], "it has audited that itself"


def test_only_so_many_machines_are_remembered(site: Installation, simulated: Simulated) -> None:
    many = {f"boot {number}": {"ahead": float(number), "until": 0.0} for number in range(40)}
    with site.store.writing() as connection:
        row = {"name": timekeeping.ROW, "value": many, "updated_at": utc_now()}
        connection.execute(Preference.__table__.insert(), row)

    timekeeping.watch(site)

    with site.store.reading() as connection:
        query = select(Preference.value).where(Preference.name == timekeeping.ROW)
        clocks = connection.scalar(query)
    assert isinstance(clocks, dict)
    assert len(clocks) == timekeeping.MOST_MACHINES


@JUMPS
def test_no_lease_of_a_living_owner_ends_by_a_jump(
    site: Installation, simulated: Simulated, hours: int
) -> None:
    set_up(site)
    waiting_mail(site, due_at=utc_now())
    lane, me, you = lane_of(site), *(processes.register(site, "worker") for _ in range(2))
    lease = lanes.claim(site, lane.id, me, 60)
    assert lease is not None

    simulated.jumps(hours=hours)

    assert sweep(site) == []
    assert lanes.claim(site, lane.id, you, 60) is None
    with site.store.writing() as connection:
        assert lanes.renew(connection, lease)
    simulated.passes(minutes=10)
    with site.store.writing() as connection:
        assert lanes.renew(connection, lease)
    assert lanes.claim(site, lane.id, you, 60) is None
    simulated.passes(seconds=61)
    assert lanes.claim(site, lane.id, you, 60) is not None


@JUMPS
def test_the_lane_of_a_dead_owner_is_free_at_once_even_then(
    site: Installation, simulated: Simulated, hours: int
) -> None:
    set_up(site)
    waiting_mail(site, due_at=utc_now())
    lane, dead = lane_of(site), processes.register(site, "worker")
    assert lanes.claim(site, lane.id, dead, 60)
    with site.store.writing() as connection:
        connection.execute(update(Process).where(Process.id == dead).values(started="gone"))

    simulated.jumps(hours=hours)

    assert sweep(site) == [lane.id]


@JUMPS
def test_a_process_of_another_machine_does_not_die_by_a_jump(
    site: Installation, simulated: Simulated, hours: int
) -> None:
    away = processes.register(site, "worker")
    with site.store.writing() as connection:
        connection.execute(update(Process).values(place="elsewhere"))

    simulated.jumps(hours=hours)

    assert processes.dead_owners(site, {away}) == set()


@JUMPS
def test_sending_goes_on_and_so_do_the_passes(
    site: Installation, simulated: Simulated, hours: int
) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        post = Post(site)
        dispatch.request_if_due(site)
        dispatch.run_queued(site, post.process_id)
        waiting_mail(site)

        simulated.jumps(hours=hours)

        report(site, errorCode="E")
        post.serve()
        assert len(sink.mails) == 1
        assert dispatch.request_if_due(site) is not None
        dispatch.run_queued(site, post.process_id)
        assert all(row.due_at is not None for row in deliveries(site))
        assert deliveries(site)[-1].state is DeliveryState.DELIVERED


@JUMPS
def test_a_failing_lane_tries_again_after_a_jump(
    site: Installation, simulated: Simulated, hours: int
) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        post = Post(site)
        sink.script.replies = {"CONNECT": "421 4.3.2 busy"}
        report(site, errorCode="E")
        post.serve()
        assert lane_of(site).state is LaneState.RETRYING
        sink.script.replies = {}

        simulated.jumps(hours=hours)
        post.run_pass()

        assert len(sink.mails) == 1


@JUMPS
def test_a_worker_is_well_again_with_its_next_beat(
    site: Installation, simulated: Simulated, hours: int
) -> None:
    ended, living = (processes.register(site, "worker") for _ in range(2))
    assert health.readiness(site).checks["worker"].ok

    simulated.jumps(hours=hours)
    processes.beat(site, living)

    # What ended before the clock was set back was "seen" in the future.
    assert {row.id for row in rows(site, Process)} == {ended, living}
    assert health.readiness(site).checks["worker"].ok
    simulated.passes(seconds=61)
    assert not health.readiness(site).checks["worker"].ok


def test_the_clocks_cost_one_select_while_they_are_steady(site: Installation) -> None:
    timekeeping.watch(site)
    before = site.store.last_commit

    for _ in range(3):
        timekeeping.watch(site)

    assert site.store.last_commit == before
