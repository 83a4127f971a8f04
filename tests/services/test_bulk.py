"""Bulk registration: what it writes, whom it skips, and that its job may be cut off anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, update

from app.clock import utc_now
from app.domain.kinds import DeliveryState, JobKind, JobState, RowOutcome
from app.errors import Invalid
from app.models import (
    Delivery,
    Job,
    JobRow,
    Process,
    Registration,
    RegistrationDirection,
    System,
)
from app.queueing import JOBS
from app.services import bulk, configuring, job_work, jobs, processes, sweep
from app.services.bulk_shape import BulkBody
from app.services.installation import Installation
from app.services.integrations import INTEGRATIONS, make_unknown
from app.services.systems import SYSTEMS
from app.shapes import parse
from tests.services.makers import (
    ACTOR,
    audited,
    count_of,
    lane_of,
    put_integration,
    put_system,
    register,
    row_of,
    unregister,
    waiting_mail,
    with_bells,
)

FORWARD = {
    "recipients": ["ops@corp.example", "b@corp.example"],
    "cc": ["c@corp.example"],
    "subjectPrefix": "[prod]",
    "global": {"noActivityMinutes": 60, "failureCount": 5},
    "processing": {"beforeMaxRetries": True, "recipients": ["p@corp.example"]},
}
Row = dict[str, Any]


def integrations(site: Installation, number: int) -> list[str]:
    """Make so many integrations, and the mail system; return their keys."""
    put_system(site)
    keys = [f"job-{n:04}" for n in range(number)]
    with site.store.writing() as connection:
        make_unknown(connection, keys, utc_now())
    return keys


def ask(
    site: Installation, keys: Sequence[str], seconds: float = 60, **settings: Any
) -> int | None:
    """Ask for a bulk registration of `keys`; a busy machine has more than a second for a few."""
    asked = {"system": "Mail", "forward": FORWARD, **settings}
    body = parse(BulkBody, {"integrations": list(keys), "registration": asked})
    return bulk.register(site, ACTOR, body, seconds)


def asked_by(site: Installation, **wanted: Any) -> list[str]:
    """Ask for those of a filter; return what the job did with them."""
    asked = {"system": "Mail", "forward": FORWARD}
    body = parse(BulkBody, {"filter": wanted, "registration": asked})
    job_id = bulk.register(site, ACTOR, body, seconds=60)
    return [] if job_id is None else [row["key"] for row in rows_of(site, job_id)]


def work(site: Installation) -> None:
    """Let a worker do what is queued."""
    job_work.run_queued(site, processes.register(site, "worker"), lambda: True)


def job_of(site: Installation, job_id: int | None) -> Any:
    return row_of(site, Job, job_id or 0)


def rows_of(site: Installation, job_id: int | None) -> list[Row]:
    """Return the rows of a job in order."""
    query = select(JobRow.key, JobRow.outcome, JobRow.reason).where(JobRow.job_id == job_id)
    with site.store.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(query.order_by(JobRow.place))]


def stored(site: Installation, key: str) -> Row:
    """Return all that is stored of a registration but ids and times."""
    row = registration(site, key)
    with site.store.reading() as connection:
        mine = RegistrationDirection.registration_id == row["id"]
        query = select(RegistrationDirection.__table__).where(mine)
        directions = [dict(one._mapping) for one in connection.execute(query)]
    for one in directions:
        del one["registration_id"]
    times = ("registered_at", "created_at", "updated_at")
    assert all(row[name] for name in times)
    return {
        "directions": directions,
        **{name: row[name] for name in row if name not in (*times, "id", "integration_id")},
    }


def registration(site: Installation, key: str) -> Row:
    with site.store.viewing() as session:
        integration = INTEGRATIONS.find(session, key)
        assert integration is not None
        mine = Registration.integration_id == integration.id
        row = session.connection().execute(select(Registration.__table__).where(mine)).one()
        return dict(row._mapping)


def active(site: Installation) -> int:
    with site.store.reading() as connection:
        return len(connection.scalars(select(Registration.id).where(Registration.active)).all())


def test_bulk_writes_what_registering_one_by_one_writes(site: Installation) -> None:
    integrations(site, 2)
    put_integration(site, "one-way", bidirectional=False)
    put_integration(site, "before")
    other = {"recipients": ["back@corp.example"]}
    register(site, "before", sameForBackward=False, backward=other, includeErrorTrace=False)
    unregister(site, "before")
    register(site, "job-0000", forward=FORWARD, tellRecovery=False)

    ask(site, ["job-0001", "one-way", "before"], tellRecovery=False)

    wanted = stored(site, "job-0000")
    assert wanted["active"] and wanted["directions"][0]["failure_count"] == 5
    for key in ("job-0001", "one-way", "before"):
        assert stored(site, key) == wanted, key


def test_what_is_registered_anew_counts_from_now(site: Installation) -> None:
    integrations(site, 1)
    register(site, "job-0000")
    before = registration(site, "job-0000")
    unregister(site, "job-0000")

    ask(site, ["job-0000"])

    after = registration(site, "job-0000")
    assert after["id"] == before["id"]
    assert after["created_at"] == before["created_at"]
    assert after["registered_at"] > before["registered_at"]
    assert after["updated_at"] == after["registered_at"]
    assert after["unregistered_at"] is None


def test_what_waits_follows_to_the_system_that_is_named_now(site: Installation) -> None:
    integrations(site, 1)
    register(site, "job-0000")
    put_system(site, "Spare")
    in_flight = waiting_mail(site, "job-0000", state=DeliveryState.LEASED, started=True)
    unregister(site, "job-0000")
    with site.store.writing() as connection:  # its server put it off meanwhile
        mine = update(Delivery).where(Delivery.id == in_flight)
        connection.execute(mine.values(state=DeliveryState.PENDING, started=False))

    ask(site, ["job-0000"], system="Spare")

    assert row_of(site, Delivery, in_flight).lane_id == lane_of(site, "Spare").id


def test_only_those_without_registration_are_registered(site: Installation) -> None:
    first, second, *_ = integrations(site, 3)
    register(site, first)
    before = stored(site, first)

    job_id = ask(site, [second, first, "nobody", second])

    assert rows_of(site, job_id) == [
        {"key": second, "outcome": RowOutcome.REGISTERED, "reason": None},
        {"key": first, "outcome": RowOutcome.SKIPPED, "reason": "already registered"},
        {
            "key": "nobody",
            "outcome": RowOutcome.SKIPPED,
            "reason": "there is no integration 'nobody'",
        },
    ]
    job = job_of(site, job_id)
    assert (job.state, job.total, job.done) == (JobState.DONE, 3, 3)
    assert job.counts == {"registered": 1, "skipped": 2}
    assert stored(site, first) == before


def test_up_to_fifty_are_done_at_once_and_more_are_left_to_a_worker(site: Installation) -> None:
    site, bells = with_bells(site)
    keys = integrations(site, 101)

    few = ask(site, keys[:50])
    assert (job_of(site, few).state, bells.rung) == (JobState.DONE, [])
    assert job_of(site, few).started_at <= job_of(site, few).finished_at

    many = ask(site, keys[50:])
    assert (job_of(site, many).state, bells.rung) == (JobState.QUEUED, [JOBS])
    assert active(site) == 50
    work(site)
    assert (job_of(site, many).state, active(site)) == (JobState.DONE, 101)


def test_what_takes_too_long_is_left_to_a_worker(site: Installation) -> None:
    site, bells = with_bells(site)
    job_id = ask(site, integrations(site, 3), seconds=0)
    assert (job_of(site, job_id).state, bells.rung) == (JobState.QUEUED, [JOBS])

    work(site)

    assert (job_of(site, job_id).state, active(site)) == (JobState.DONE, 3)


def test_the_same_bulk_again_registers_nobody_twice(site: Installation) -> None:
    keys = integrations(site, 3)
    ask(site, keys)

    job_id = ask(site, keys)

    assert job_of(site, job_id).counts == {"registered": 0, "skipped": 3}
    assert count_of(site, Registration) == 3


def test_a_job_that_is_stopped_goes_on_where_it_stood(site: Installation) -> None:
    keys = integrations(site, 2 * bulk.CHUNK + 10)
    job_id = ask(site, keys)
    answers = iter([True, True, False, False])

    job_work.run_queued(site, processes.register(site, "worker"), lambda: next(answers))

    job = job_of(site, job_id)
    assert (job.state, job.done, job.owner_id) == (JobState.QUEUED, bulk.CHUNK, None)
    assert active(site) == bulk.CHUNK
    work(site)
    job = job_of(site, job_id)
    assert (job.state, job.counts) == (JobState.DONE, {"registered": len(keys), "skipped": 0})
    assert {row["outcome"] for row in rows_of(site, job_id)} == {RowOutcome.REGISTERED}
    assert count_of(site, Registration) == count_of(site, RegistrationDirection) == len(keys)


def test_a_job_whose_worker_died_is_taken_up_by_another(site: Installation) -> None:
    job_id = ask(site, integrations(site, 60))
    dead = processes.register(site, "worker")
    claimed = jobs.claim(site, dead)
    assert claimed is not None and claimed.id == job_id
    work(site)
    sweep.sweep(site)
    assert job_of(site, job_id).owner_id == dead, "a living worker is left alone"

    with site.store.writing() as connection:
        connection.execute(update(Process).where(Process.id == dead).values(started="gone"))
    sweep.sweep(site)
    work(site)

    assert job_of(site, job_id).state is JobState.DONE


def test_a_job_that_an_error_left_behind_is_done_by_its_own_process(site: Installation) -> None:
    job_id = ask(site, integrations(site, 60))
    me = processes.register(site, "worker")
    jobs.claim(site, me)

    job_work.run_queued(site, me, lambda: True)

    assert job_of(site, job_id).state is JobState.DONE


def test_workers_that_meet_register_each_once(site: Installation) -> None:
    """As when one was frozen, its job given to another one, and it goes on."""
    keys = integrations(site, 4 * bulk.CHUNK)
    job_id = ask(site, keys)
    job = jobs.claim(site, processes.register(site, "worker"))
    assert job is not None

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: bulk.WORK.off(site, job, lambda: True), range(3)))

    assert job_of(site, job_id).counts == {"registered": len(keys), "skipped": 0}
    assert count_of(site, Registration) == len(keys)
    assert len(audited(site)) == 2  # the system, and the bulk


def test_two_jobs_over_the_same_integrations_register_each_once(site: Installation) -> None:
    keys = integrations(site, 60)
    first, second = ask(site, keys), ask(site, keys)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [site, site]))

    counts = [job_of(site, job_id).counts for job_id in (first, second)]
    assert sorted(count["registered"] for count in counts) == [0, 60]


def test_a_system_that_is_deleted_meanwhile_fails_the_job(site: Installation) -> None:
    keys = integrations(site, 60)
    job_id = ask(site, keys)
    configuring.delete(SYSTEMS, site, ACTOR, "Mail")

    work(site)

    job = job_of(site, job_id)
    assert (job.state, job.done) == (JobState.FAILED, 0)
    assert job.error == "The system 'Mail' was deleted meanwhile."
    assert job.finished_at is not None and job.owner_id is None
    assert count_of(site, Registration) == 0


def test_a_system_that_is_renamed_meanwhile_is_meant_still(site: Installation) -> None:
    job_id = ask(site, integrations(site, 60))
    configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"name": "Post"})

    work(site)

    assert job_of(site, job_id).state is JobState.DONE
    with site.store.reading() as connection:
        (post,) = connection.scalars(select(System.id))
    assert registration(site, "job-0000")["system_id"] == post


def test_an_integration_that_is_deleted_meanwhile_is_skipped(site: Installation) -> None:
    keys = integrations(site, 60)
    job_id = ask(site, keys)
    configuring.delete(INTEGRATIONS, site, ACTOR, keys[7])

    work(site)

    (skipped,) = (row for row in rows_of(site, job_id) if row["outcome"] is RowOutcome.SKIPPED)
    assert skipped["key"] == keys[7]
    assert "there is no integration" in skipped["reason"]


def test_an_unforeseen_error_ends_the_job_and_others_go_on(site: Installation) -> None:
    keys = integrations(site, 120)
    damaged, well = ask(site, keys[:60]), ask(site, keys[60:])
    with site.store.writing() as connection:
        connection.execute(update(Job).where(Job.id == damaged).values(request={"systemId": 1}))

    work(site)

    job = job_of(site, damaged)
    assert (job.state, job.error) == (JobState.FAILED, job_work.UNFORESEEN)
    assert job_of(site, well).state is JobState.DONE


def test_a_job_that_was_not_made_whole_is_never_done(site: Installation) -> None:
    keys: list[Any] = [*(["job"] * jobs.ROWS_AT_ONCE), None]
    with pytest.raises(Exception, match=r"NULL|null"):
        jobs.queue(site, JobKind.REGISTER, ACTOR, {}, keys)

    work(site)

    with site.store.reading() as connection:
        (job,) = connection.execute(select(Job.__table__))
    assert (job.state, job.done) == (JobState.FAILED, 0)
    assert "nothing was done" in job.error


def test_more_rows_than_one_transaction_makes_are_all_there(site: Installation) -> None:
    keys = [f"nobody-{n}" for n in range(jobs.ROWS_AT_ONCE + 1)]
    put_system(site)

    job_id = ask(site, keys)
    work(site)

    assert [row["key"] for row in rows_of(site, job_id)] == keys
    assert job_of(site, job_id).counts == {"registered": 0, "skipped": len(keys)}


def test_one_entry_of_the_audit_log_tells_of_the_whole_bulk(site: Installation) -> None:
    keys = integrations(site, 130)
    register(site, keys[0])
    job_id = ask(site, keys)
    work(site)

    entry = audited(site)[-1]
    assert [row.action for row in audited(site)] == ["create", "register", "register"]
    assert (entry.actor, entry.subject_kind) == (ACTOR, "registration")
    assert entry.subject_name == "129 integrations"
    assert entry.before is None
    assert entry.after["job"] == str(job_id)
    assert (entry.after["registered"], entry.after["skipped"]) == (129, 1)
    assert entry.after["integrations"] == keys[1:101]
    assert entry.after["registration"]["forward"]["subjectPrefix"] == "[prod]"

    ask(site, keys)
    work(site)
    assert len(audited(site)) == 3, "what changed nothing leaves no trace"


def test_a_job_that_fails_halfway_tells_what_it_did(site: Installation) -> None:
    keys = integrations(site, bulk.CHUNK + 10)
    job_id = ask(site, keys)
    answers = iter([True, True, False, False])
    job_work.run_queued(site, processes.register(site, "worker"), lambda: next(answers))
    with site.store.writing() as connection:  # nothing else takes a system away that is in use
        connection.execute(update(Job).values(request=Job.request))
        request = {**job_of(site, job_id).request, "systemId": 999}
        connection.execute(update(Job).values(request=request))

    work(site)

    job = job_of(site, job_id)
    assert (job.state, job.counts) == (JobState.FAILED, {"registered": bulk.CHUNK, "skipped": 0})
    assert audited(site)[-1].subject_name == f"{bulk.CHUNK} integrations"


def test_a_filter_chooses_by_registration_text_and_status(site: Installation) -> None:
    put_system(site)
    put_integration(site, "crm-1", name="Sales")
    put_integration(site, "crm-2", name="Stock_50%")
    put_integration(site, "erp", name="crm of old", forward={"status": "inactive"})
    put_integration(site, "off", bidirectional=False, forward={"status": "inactive"})
    register(site, "crm-1")

    assert asked_by(site, q="nobody") == []
    assert asked_by(site, registered=True) == ["crm-1"]
    assert asked_by(site, registered=True, status="inactive") == []
    assert asked_by(site, q="_50%") == ["crm-2"]
    assert asked_by(site, status="inactive") == ["off"]
    assert asked_by(site, status="active", q="CRM") == ["crm-1", "crm-2", "erp"]
    assert asked_by(site) == ["crm-1", "crm-2", "erp", "off"]
    assert asked_by(site, registered=False) == []


def test_a_system_that_is_not_there_is_named(site: Installation) -> None:
    integrations(site, 1)
    with pytest.raises(Invalid, match="/registration/system: there is no system 'Nobody'"):
        ask(site, ["job-0000"], system="Nobody")
    assert count_of(site, Job) == 0
