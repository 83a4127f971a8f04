"""The dispatch pass: by its schedule, by hand, once at a time, again when it was killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.clock import utc_now
from app.domain.kinds import DeliveryState, LaneState, RunCause, RunState
from app.models import Delivery, DispatchRun, Lane, Process
from app.services import dispatch, preferences, processes, sweep
from app.services.installation import Installation
from app.services.preferences import PreferencesBody
from app.shapes import parse
from tests.services.makers import ACTOR, lane_of, set_up, waiting_mail, with_bells
from tests.services.spine import Post, deliveries, rows


def schedule(site: Installation, name: str) -> None:
    """Let the pass run by the schedule of that name."""
    body = parse(PreferencesBody, {"postNotificationSchedule": name})
    preferences.replace(site, ACTOR, body)


def runs(site: Installation) -> list[Any]:
    """Return all runs, oldest first."""
    return rows(site, DispatchRun)


def _made_ago(site: Installation, **span: float) -> None:
    with site.store.writing() as connection:
        made = utc_now() - timedelta(**span)
        connection.execute(update(DispatchRun).values(created_at=made))


def test_the_first_pass_is_due_at_once_and_the_next_after_the_interval(site: Installation) -> None:
    post = Post(site)

    assert dispatch.request_if_due(site) is not None
    dispatch.run_queued(site, post.process_id)
    assert dispatch.request_if_due(site) is None
    _made_ago(site, minutes=29)
    assert dispatch.request_if_due(site) is None
    _made_ago(site, minutes=30)
    assert dispatch.request_if_due(site) is not None


@pytest.mark.parametrize(
    ("name", "due"),
    [("30 Second Schedule", True), ("24 Hour Schedule", False), ("On Demand", False)],
)
def test_a_change_of_the_schedule_takes_effect_at_once(
    site: Installation, name: str, due: bool
) -> None:
    dispatch.request_if_due(site)
    dispatch.run_queued(site, processes.register(site, "worker"))
    _made_ago(site, minutes=20)

    schedule(site, name)

    assert (dispatch.request_if_due(site) is not None) is due


def test_a_pass_by_hand_runs_whatever_the_schedule_says(site: Installation) -> None:
    set_up(site)
    schedule(site, "On Demand")
    waiting_mail(site)

    run_id = Post(site).run_pass()

    (run,) = runs(site)
    assert (run.id, run.cause, run.state) == (run_id, RunCause.MANUAL, RunState.DONE)
    assert (run.considered, run.notified) == (1, 1)
    assert deliveries(site)[0].due_at is not None


def test_a_second_pass_is_queued_while_one_runs_and_serves_all_who_ask(
    site: Installation,
) -> None:
    me, you = processes.register(site, "worker"), processes.register(site, "worker")
    first = dispatch.request(site, RunCause.MANUAL)
    with site.store.writing() as connection:
        running = {"state": RunState.RUNNING, "owner_id": you, "started_at": utc_now()}
        connection.execute(update(DispatchRun).values(**running))

    second, third = (dispatch.request(site, RunCause.MANUAL) for _ in range(2))

    assert second == third != first
    dispatch.run_queued(site, me)
    assert [run.state for run in runs(site)] == [RunState.RUNNING, RunState.QUEUED]


def test_two_workers_run_a_pass_once(site: Installation) -> None:
    set_up(site)
    for _ in range(3):
        waiting_mail(site)
    dispatch.request(site, RunCause.MANUAL)
    workers = [processes.register(site, "worker") for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda worker: dispatch.run_queued(site, worker), workers))

    (run,) = runs(site)
    assert (run.state, run.notified) == (RunState.DONE, 3)


def test_two_who_find_the_pass_due_queue_it_once(site: Installation) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: dispatch.request_if_due(site), range(8)))

    assert len(runs(site)) == 1


def test_a_pass_whose_worker_died_is_run_again(site: Installation) -> None:
    set_up(site)
    waiting_mail(site)
    dead = processes.register(site, "worker")
    dispatch.request(site, RunCause.MANUAL)
    with site.store.writing() as connection:
        connection.execute(update(DispatchRun).values(state=RunState.RUNNING, owner_id=dead))
    sweep.sweep(site)
    assert runs(site)[0].state is RunState.RUNNING, "a living worker is left alone"

    with site.store.writing() as connection:
        connection.execute(update(Process).where(Process.id == dead).values(started="gone"))
    sweep.sweep(site)
    dispatch.run_queued(site, processes.register(site, "worker"))

    assert runs(site)[0].state is RunState.DONE
    assert deliveries(site)[0].state is DeliveryState.PENDING
    assert deliveries(site)[0].due_at is not None


def test_a_pass_of_another_machine_that_fell_silent_is_run_again(site: Installation) -> None:
    away = processes.register(site, "worker")
    dispatch.request(site, RunCause.MANUAL)
    with site.store.writing() as connection:
        connection.execute(update(DispatchRun).values(state=RunState.RUNNING, owner_id=away))
        connection.execute(update(Process).where(Process.id == away).values(place="elsewhere"))
    sweep.sweep(site)
    assert runs(site)[0].state is RunState.RUNNING

    with site.store.writing() as connection:
        silent = utc_now() - timedelta(minutes=6)
        connection.execute(update(Process).where(Process.id == away).values(seen_at=silent))
    sweep.sweep(site)

    assert runs(site)[0].state is RunState.QUEUED


def test_a_pass_over_more_mail_than_one_transaction_takes_makes_all_of_it_due(
    site: Installation,
) -> None:
    set_up(site)
    for _ in range(3):
        waiting_mail(site)
    table_size = 1_201
    first = deliveries(site)[0]._asdict()
    first.pop("id")
    with site.store.writing() as connection:
        connection.execute(Delivery.__table__.insert(), [first] * (table_size - 3))
    dispatch.request(site, RunCause.MANUAL)

    dispatch.run_queued(site, processes.register(site, "worker"))

    assert runs(site)[0].notified == table_size
    assert all(row.due_at is not None for row in deliveries(site))


def test_a_pass_that_an_error_left_behind_is_run_again_by_its_own_process(
    site: Installation,
) -> None:
    set_up(site)
    waiting_mail(site)
    me = processes.register(site, "worker")
    dispatch.request(site, RunCause.MANUAL)
    with site.store.writing() as connection:
        connection.execute(update(DispatchRun).values(state=RunState.RUNNING, owner_id=me))

    dispatch.run_queued(site, me)

    (run,) = runs(site)
    assert (run.state, run.notified) == (RunState.DONE, 1)


def test_a_queued_pass_serves_the_schedule_too_and_wakes_nobody_again(
    site: Installation,
) -> None:
    site, bells = with_bells(site)
    dispatch.request(site, RunCause.MANUAL)
    bells.rung.clear()

    assert dispatch.request_if_due(site) is None

    assert bells.rung == []
    assert len(runs(site)) == 1


def test_a_pass_made_by_a_clock_that_was_set_back_does_not_stop_the_schedule(
    site: Installation,
) -> None:
    dispatch.request_if_due(site)
    dispatch.run_queued(site, processes.register(site, "worker"))
    _made_ago(site, days=-3650)

    assert dispatch.request_if_due(site) is not None


def test_a_failing_lane_with_nothing_left_is_normal_after_the_pass(site: Installation) -> None:
    set_up(site)
    with site.store.writing() as connection:
        connection.execute(update(Lane).values(state=LaneState.RETRYING, round=3))

    Post(site).run_pass()

    lane = lane_of(site)
    assert (lane.state, lane.round) == (LaneState.NORMAL, 0)
