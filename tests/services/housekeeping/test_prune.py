"""What is pruned, and what never is: the edges of the retention, to the second (product.md 11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.clock import utc_now
from app.domain.kinds import (
    DeliveryState,
    EndReason,
    FailureState,
    JobKind,
    JobState,
    RowOutcome,
    RunState,
)
from app.models import (
    Attempt,
    Audit,
    CountedCycle,
    Delivery,
    DeliveryItem,
    DeliveryRecipient,
    DispatchRun,
    Failure,
    HourlyCount,
    Idempotency,
    Job,
    JobRow,
    Lane,
    Process,
    Trace,
)
from app.services import counts, dispatch, invariants, processes
from app.services.housekeeping import prune
from app.services.installation import Installation
from tests.services.makers import count_of, failures, set_up, tells, waiting_mail
from tests.services.spine import Post, at_once, mail_server, registered, report, rows
from tests.simulated import Simulated

ONE_TOLD = (Failure, Delivery, DeliveryItem, DeliveryRecipient, Attempt, CountedCycle, Idempotency)


def pruned(site: Installation) -> dict[str, int]:
    """Prune; returns how many rows were deleted, by what they were."""
    done = prune(site)
    assert done is not None
    return {name: count for name, count in done.items() if count}


def there(site: Installation, *models: Any) -> set[int]:
    """Return how many rows the tables have."""
    return {count_of(site, model) for model in models}


def test_what_was_told_is_kept_for_62_days_and_not_a_second_longer(
    site: Installation, simulated: Simulated
) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site, id="a", cycleId="c", errorCode="E", trace="line")
        Post(site).serve()
        assert len(sink.mails) == 1
    assert there(site, *ONE_TOLD, Trace) == {1}

    simulated.passes(days=62, seconds=-1)
    assert pruned(site) == {}
    simulated.passes(seconds=1)
    assert pruned(site) == {}
    simulated.passes(seconds=1)
    pruned(site)

    assert there(site, *ONE_TOLD, Trace) == {0}
    assert invariants.check(site) == []


@pytest.mark.parametrize("state", FailureState)
def test_an_open_failure_is_pruned_62_days_after_its_last_repeat(
    site: Installation, simulated: Simulated, state: FailureState
) -> None:
    set_up(site)
    failures(site, 1, state=state)
    simulated.passes(days=40)
    failures(site, 1, state=state, first_logged_at=utc_now() - timedelta(days=40))

    simulated.passes(days=22, seconds=1)
    assert pruned(site) == {"failures": 1}
    simulated.passes(days=40, seconds=-2)
    assert pruned(site) == {}
    simulated.passes(seconds=2)
    assert pruned(site) == {"failures": 1}


def test_a_failure_that_was_told_late_is_kept_from_then_on(
    site: Installation, simulated: Simulated
) -> None:
    set_up(site)
    failures(site, 1, notified_at=utc_now() + timedelta(days=10))

    simulated.passes(days=72, seconds=-1)
    assert pruned(site) == {}
    simulated.passes(seconds=2)
    assert pruned(site) == {"failures": 1}


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.LEASED])
def test_waiting_mail_and_what_it_tells_are_never_pruned(
    site: Installation, simulated: Simulated, state: DeliveryState
) -> None:
    set_up(site)
    mail = waiting_mail(site, state=state)
    told = failures(site, 1)
    tells(site, mail, told)
    failures(site, 2)

    simulated.passes(days=400)
    assert pruned(site) == {"failures": 2, "audit entries": 3}

    assert [row.id for row in rows(site, Failure)] == told
    assert [row.id for row in rows(site, Delivery)] == [mail]
    assert count_of(site, DeliveryItem) == 1


def test_what_was_delivered_late_is_kept_from_its_end_on(
    site: Installation, simulated: Simulated
) -> None:
    set_up(site)
    mail = waiting_mail(site)
    tells(site, mail, failures(site, 1))
    simulated.passes(days=100)
    ended = {"state": DeliveryState.DEAD, "reason": EndReason.REJECTED, "finished_at": utc_now()}
    with site.store.writing() as connection:
        connection.execute(update(Delivery).values(ended))

    simulated.passes(days=62, seconds=-1)
    # The failure is nobody's any more: its own time was long ago.
    assert pruned(site) == {"failures": 1}
    simulated.passes(seconds=2)
    assert pruned(site) == {"deliveries": 1}


def test_a_pruned_failure_leaves_the_mail_that_told_it_until_its_own_time(
    site: Installation, simulated: Simulated
) -> None:
    set_up(site)
    simulated.passes(days=30)
    mail = waiting_mail(site, state=DeliveryState.CANCELLED, finished_at=utc_now())
    tells(site, mail, failures(site, 1, last_logged_at=utc_now() - timedelta(days=30)))

    simulated.passes(days=33)
    assert pruned(site) == {"failures": 1}
    assert (count_of(site, Delivery), count_of(site, DeliveryItem)) == (1, 0)
    simulated.passes(days=30)
    assert pruned(site) == {"deliveries": 1}


def test_a_failure_that_goes_on_outlives_the_mail_that_told_it(
    site: Installation, simulated: Simulated
) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        for day in range(64):
            report(site, errorCode="E")
            if day == 0:
                Post(site).serve()
            simulated.passes(days=1)

        pruned(site)
        assert {row.kind for row in rows(site, Delivery)} == {"failure"}
        (row,) = rows(site, Failure)
        assert row.count == 64
        assert row.notified_delivery_id not in {mail.id for mail in rows(site, Delivery)}
        assert invariants.check(site) == []


def test_the_retention_is_a_setting_and_answered_keys_have_their_own(
    site: Installation, simulated: Simulated
) -> None:
    registered(site)
    report(site, id="key")
    short = replace(site, settings=replace(site.settings, retention_days=7))

    simulated.passes(days=7, seconds=1)
    pruned(short)
    assert (count_of(site, Failure), count_of(site, Idempotency)) == (0, 1)
    simulated.passes(days=55, seconds=-2)
    assert "answered keys" not in pruned(short)
    simulated.passes(seconds=2)
    assert pruned(short) == {"answered keys": 1}


def test_passes_are_kept_as_long_and_one_that_runs_for_ever(
    site: Installation, simulated: Simulated
) -> None:
    def run(state: RunState, **values: Any) -> dict[str, Any]:
        figures = dict.fromkeys(("considered", "notified", "held", "skipped", "failed"), 0)
        row = {"cause": "schedule", "state": state, "created_at": utc_now(), **figures}
        return row | {"finished_at": None} | values

    ended = {"finished_at": utc_now()}
    made = [run(RunState.DONE, **ended), run(RunState.FAILED, **ended), run(RunState.RUNNING)]
    with site.store.writing() as connection:
        connection.execute(insert(DispatchRun), made)

    simulated.passes(days=62, seconds=-1)
    assert pruned(site) == {}
    simulated.passes(seconds=2)
    assert pruned(site) == {"passes": 2}


def test_the_last_pass_by_schedule_is_kept_as_the_next_is_counted_from_it(
    site: Installation, simulated: Simulated
) -> None:
    dispatch.request_if_due(site)
    dispatch.run_queued(site, Post(site).process_id)

    simulated.passes(days=70)
    pruned(site)

    assert count_of(site, DispatchRun) == 1


def test_done_jobs_go_with_all_their_rows_and_open_ones_stay(
    site: Installation, simulated: Simulated
) -> None:
    job = {
        "kind": JobKind.REGISTER,
        "actor": "a test",
        "request": {},
        "counts": {},
        "total": 7_000,
        "done": 7_000,
        "created_at": utc_now(),
        "started_at": utc_now(),
    }
    done = job | {"state": JobState.DONE, "finished_at": utc_now()}
    runs = job | {"state": JobState.RUNNING, "finished_at": None}
    with site.store.writing() as connection:
        connection.execute(insert(Job), [done, runs])
        one, two = connection.scalars(select(Job.id).order_by(Job.id)).all()
        lines = [
            {"job_id": job_id, "place": place, "key": "k", "outcome": RowOutcome.REGISTERED}
            for job_id in (one, two)
            for place in range(7_000)
        ]
        connection.execute(insert(JobRow), lines)

    simulated.passes(days=62, seconds=-1)
    assert pruned(site) == {}
    simulated.passes(seconds=2)
    assert pruned(site) == {"rows of jobs": 7_000, "jobs": 1}
    assert {row.id for row in rows(site, Job)} == {two}
    assert count_of(site, JobRow) == 7_000


def test_the_audit_log_is_kept_for_a_year(site: Installation, simulated: Simulated) -> None:
    set_up(site)
    assert count_of(site, Audit) == 3

    simulated.passes(days=365, seconds=-1)
    assert pruned(site) == {}
    simulated.passes(seconds=2)
    assert pruned(site) == {"audit entries": 3}


def test_counts_are_kept_until_their_hour_is_older_than_the_retention(
    site: Installation, simulated: Simulated
) -> None:
    hour = utc_now().replace(minute=0, second=0, microsecond=0)
    simulated.reaches(hour + timedelta(minutes=59))
    with site.store.writing() as connection:
        counts.add(connection, utc_now(), {"activity": 1})

    simulated.reaches(hour + timedelta(days=62, hours=1, seconds=-1))
    assert pruned(site) == {}
    simulated.reaches(hour + timedelta(days=62, hours=1))
    assert pruned(site) == {"hourly counts": 1}
    assert count_of(site, HourlyCount) == 0


def test_a_trace_goes_a_day_after_it_came_when_no_failure_has_it(
    site: Installation, simulated: Simulated
) -> None:
    registered(site)
    for trace in ("first", "second"):
        report(site, errorCode="E", trace=trace)
    assert count_of(site, Trace) == 2

    simulated.passes(days=1, seconds=-1)
    assert pruned(site) == {}
    simulated.passes(seconds=2)
    assert pruned(site) == {"traces": 1}
    (kept,) = rows(site, Failure)
    with site.store.reading() as connection:
        assert connection.scalars(select(Trace.hash)).all() == [kept.trace_hash]


def test_dead_processes_go_after_a_day_unless_something_names_them(
    site: Installation, simulated: Simulated
) -> None:
    set_up(site)
    alive, dead, owner, away, silent = (processes.register(site, "worker") for _ in range(5))
    with site.store.writing() as connection:
        gone = update(Process).where(Process.id.in_((dead, owner))).values(started="gone")
        connection.execute(gone)
        elsewhere = update(Process).where(Process.id.in_((away, silent))).values(place="elsewhere")
        connection.execute(elsewhere)
        connection.execute(update(Lane).values(owner_id=owner))

    simulated.passes(days=1, seconds=-1)
    assert pruned(site) == {}
    simulated.passes(seconds=2)
    processes.beat(site, away)
    assert pruned(site) == {"processes": 2}
    assert {row.id for row in rows(site, Process)} == {alive, owner, away}


def test_more_than_any_step_or_stretch_takes_is_pruned_to_the_last_row(
    site: Installation, simulated: Simulated
) -> None:
    set_up(site)
    size = 11_000
    mail = waiting_mail(site, state=DeliveryState.DELIVERED, finished_at=utc_now())
    (row,) = (one._asdict() for one in rows(site, Delivery))
    row.pop("id")
    failures(site, size)
    with site.store.writing() as connection:
        connection.execute(insert(Delivery), [row] * (size - 1))
        items = [{"delivery_id": mail + number, "failure_id": 1} for number in range(size)]
        connection.execute(insert(DeliveryItem), items)
    simulated.passes(days=60)
    kept = waiting_mail(site, state=DeliveryState.DELIVERED, finished_at=utc_now())

    simulated.passes(days=3)
    assert pruned(site) == {"deliveries": size, "failures": size}

    assert [one.id for one in rows(site, Delivery)] == [kept]
    assert count_of(site, DeliveryItem) == 0


def test_rows_that_a_wrong_clock_has_dated_hide_no_old_ones(
    site: Installation, simulated: Simulated
) -> None:
    set_up(site)
    ended = {"state": DeliveryState.DELIVERED}
    row: dict[str, Any] = {}
    for days in (65, 0, -3_650, 64):
        at = utc_now() - timedelta(days=days)
        waiting_mail(site, created_at=at, finished_at=at, **ended)
        row = rows(site, Delivery)[-1]._asdict()
        row.pop("id")
        if days == -3_650:
            with site.store.writing() as connection:
                connection.execute(insert(Delivery), [row] * 6_000)

    assert pruned(site) == {"deliveries": 2}
    assert count_of(site, Delivery) == 6_002
