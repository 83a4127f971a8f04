"""Intake: counting, cycles, episodes, idempotency; decided and stored in one transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from app.clock import utc_now
from app.domain.kinds import DeliveryState, FailureState
from app.errors import Conflict, NotFound
from app.models import CountedCycle, Failure, Idempotency, Integration, IntegrationDirection, Trace
from app.services import invariants
from app.services.installation import Installation
from app.services.intake import FailureBody, Report
from app.services.intake.recording import prepare, record
from app.shapes import parse
from tests.services.makers import count_of, put_integration, unregister
from tests.services.spine import (
    active,
    ago,
    at_once,
    deliveries,
    failure,
    reasons,
    registered,
    report,
    rows,
)


def test_the_third_failure_in_a_row_reaches_the_threshold_and_its_mail_waits_for_the_pass(
    site: Installation,
) -> None:
    registered(site)

    answers = [report(site) for _ in range(3)]

    assert [answer["failure"]["count"] for answer in answers] == [1, 2, 3]
    assert reasons(site, answers[0]) == ["held", "held", "count_reached"]
    history = failure(site, answers[0]).decision["history"]
    assert [one["text"] for one in history] == [
        "1 of 3 failures in a row.",
        "2 of 3 failures in a row.",
    ]
    (mail,) = deliveries(site)
    assert (mail.state, mail.due_at, mail.item_count) == (DeliveryState.PENDING, None, 1)
    assert failure(site, answers[0]).decision["delivery"] == str(mail.id)


def test_failures_of_one_cycle_count_once(site: Installation) -> None:
    registered(site)

    for cycle in ("c1", "c1", "c1", "c2", "c2"):
        answer = report(site, cycleId=cycle)
    assert deliveries(site) == []
    assert reasons(site, answer)[-1] == "held"

    report(site, cycleId="c3")
    assert len(deliveries(site)) == 1


def test_any_error_code_counts_and_the_mail_lists_all_rows_of_the_episode(
    site: Installation,
) -> None:
    registered(site)

    answers = [report(site, errorCode=code) for code in ("A", "B", "C")]

    (mail,) = deliveries(site)
    assert mail.item_count == 3
    assert {reasons(site, answer)[-1] for answer in answers} == {"count_reached"}


def test_a_failure_that_goes_on_is_told_after_as_many_more(site: Installation) -> None:
    registered(site, failureCount=2)

    decided = [reasons(site, report(site))[-1] for _ in range(4)]

    assert decided == ["held", "count_reached", "held", "count_reached"]
    # both thresholds fell before the pass: one mail tells it
    (mail,) = deliveries(site)
    assert mail.occurrences == 4


def test_a_held_failure_stands_in_the_mail_that_waits_anyway(site: Installation) -> None:
    registered(site, failureCount=2)
    report(site, errorCode="A"), report(site, errorCode="A")

    late = report(site, errorCode="LATE")

    assert reasons(site, late) == ["held"]
    (mail,) = deliveries(site)
    assert mail.item_count == 2


def test_activity_ends_the_episode_and_starts_the_count_anew(site: Installation) -> None:
    registered(site)
    first = report(site)
    report(site)

    answer = active(site)

    assert answer == {"duplicate": False, "recovered": True, "resolved": 0}
    assert failure(site, first).state is FailureState.RESOLVED
    again = report(site)
    assert reasons(site, again)[-1] == "held"
    assert (again["failure"]["count"], again["failure"]["state"]) == (3, "open")
    assert failure(site, again).decision["text"].startswith("1 of 3")
    assert active(site, processed=0)["recovered"] is True
    assert active(site)["recovered"] is False


@pytest.mark.parametrize("late", [{"cycleId": "c1"}, {"occurredAt": ago(hours=1)}])
def test_activity_of_a_failed_cycle_or_older_than_the_last_failure_resets_nothing(
    site: Installation, late: dict[str, Any]
) -> None:
    registered(site, failureCount=2)
    report(site, cycleId="c1")

    assert active(site, **late)["recovered"] is False

    assert reasons(site, report(site, cycleId="c2"))[-1] == "count_reached"


def test_immediately_tells_each_row_once_an_episode(site: Installation) -> None:
    at_once(site, 25)

    first, _, other = report(site), report(site), report(site, errorCode="OTHER")

    assert reasons(site, first) == ["immediate", "already_told"]
    assert reasons(site, other) == ["immediate"]
    assert [mail.due_at is not None for mail in deliveries(site)] == [True, True]
    active(site)
    assert reasons(site, report(site))[-1] == "immediate"


def test_what_is_not_accessible_is_told_at_once_whatever_the_threshold(
    site: Installation,
) -> None:
    registered(site, failureCount=20)

    answer = report(site, accessible=False)

    assert reasons(site, answer) == ["not_accessible"]
    assert deliveries(site)[0].due_at is not None


def test_backward_has_its_own_count(site: Installation) -> None:
    registered(site, failureCount=2)
    report(site)

    answer = report(site, direction="backward")

    assert failure(site, answer).decision["text"] == "1 of 2 failures in a row."


def test_failures_of_an_inactive_direction_are_stored_and_not_told(site: Installation) -> None:
    registered(site, failureCount=1)
    put_integration(site, forward={"status": "inactive"})

    assert reasons(site, report(site, accessible=False)) == ["direction_inactive"]
    assert deliveries(site) == []


def test_an_unregistered_integration_is_counted_and_not_told(site: Installation) -> None:
    registered(site, failureCount=1)
    unregister(site)

    assert reasons(site, report(site)) == ["not_registered"]


def test_an_unknown_integration_is_made_active_and_bidirectional(site: Installation) -> None:
    report(site, "new one")

    (made,) = rows(site, Integration)
    assert (made.key, made.name, made.bidirectional) == ("new one", "new one", True)
    assert [row.active for row in rows(site, IntegrationDirection)] == [True, True]


def test_a_key_of_one_integration_makes_no_other(site: Installation) -> None:
    body = parse(FailureBody, {"kind": "global", "message": "x"})
    limited = Report(1, None, "unknown", body, utc_now(), may_create=False)

    (result,) = record(site, [prepare(limited)])

    assert isinstance(result, NotFound)
    assert count_of(site, Integration) == 0


def test_a_processing_failure_is_due_when_no_retry_is_left(site: Installation) -> None:
    registered(site)
    entity: dict[str, Any] = {
        "kind": "processing",
        "entityType": "Bug",
        "entityId": "B-1",
        "errorCode": "E",
    }

    decided = [reasons(site, report(site, **entity))[-1] for _ in range(5)]

    # without a count each repeat is one retry; told once
    assert decided == ["held", "held", "held", "retries_exhausted", "already_told"]
    (row,) = rows(site, Failure)
    assert (row.retry_count, row.max_retry_count, row.total_retry_count) == (4, 3, 4)
    (mail,) = deliveries(site)
    assert mail.kind == "digest"


def test_processing_failures_wait_in_one_digest(site: Installation) -> None:
    registered(site)

    for number in range(5):
        report(site, kind="processing", entityId=f"B-{number}", retryCount=3)

    (mail,) = deliveries(site)
    assert mail.item_count == 5


def test_an_entity_that_succeeded_is_resolved_and_starts_anew(site: Installation) -> None:
    registered(site)
    entity: dict[str, Any] = {"kind": "processing", "entityType": "Bug", "entityId": "B-1"}
    report(site, **entity, retryCount=2)

    answer = active(site, resolvedEntities=[{"entityType": "Bug", "entityId": "B-1"}])

    assert answer["resolved"] == 1
    again = failure(site, report(site, **entity))
    assert (again.state, again.retry_count, again.count) == (FailureState.OPEN, 0, 2)
    assert again.total_retry_count == 2


def test_the_same_id_gives_the_same_answer_and_no_second_effect(site: Installation) -> None:
    registered(site)

    first = report(site, id="a")
    second = report(site, id="a")

    assert second == first | {"duplicate": True}
    assert failure(site, first).count == 1
    assert report(site, id="a", api_key=2)["duplicate"] is False


def test_the_same_id_with_another_body_is_a_conflict(site: Installation) -> None:
    report(site, id="a")

    with pytest.raises(Conflict):
        report(site, id="a", message="something else")
    with pytest.raises(Conflict):
        report(site, "another integration", id="a")
    assert count_of(site, Idempotency) == 1


def test_a_thousand_parallel_reports_with_one_id_are_one_failure(site: Installation) -> None:
    registered(site, failureCount=1)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: report(site, id="same"), range(1000)))

    assert sum(not answer["duplicate"] for answer in answers) == 1
    assert rows(site, Failure)[0].count == 1
    assert len(deliveries(site)) == 1


def test_parallel_reports_of_many_integrations_lose_nothing(site: Installation) -> None:
    def send(number: int) -> None:
        report(site, f"integration {number % 7}", cycleId=str(number), trace=f"line {number % 3}")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(350)))

    assert sum(row.count for row in rows(site, Failure)) == 350
    assert sum(row.occurrences for row in rows(site, IntegrationDirection)) == 350
    assert count_of(site, CountedCycle) == 350
    assert invariants.check(site) == []


def test_two_processes_that_answer_the_same_ids_at_once_agree(site: Installation) -> None:
    # each batch is a transaction of its own, as two web processes would run them
    batch = [_prepared(f"id {number}", f"integration {number % 3}") for number in range(20)]

    with ThreadPoolExecutor(4) as pool:
        every = list(pool.map(partial(record, site), [batch, batch[::-1], batch, batch[::-1]]))

    first = sum(not one.document["duplicate"] for results in every for one in results)  # type: ignore[union-attr]
    assert first == 20
    assert sum(row.count for row in rows(site, Failure)) == 20


def _prepared(client_id: str, key: str):  # type: ignore[no-untyped-def]
    body = parse(FailureBody, {"kind": "global", "message": "x", "id": client_id})
    return prepare(Report(1, client_id, key, body, utc_now(), may_create=True))


def test_one_report_that_cannot_be_taken_does_not_fail_its_neighbours(site: Installation) -> None:
    report(site, id="used")
    body = parse(FailureBody, {"kind": "global", "message": "other", "id": "used"})
    wrong = prepare(Report(1, "used", "jira", body, utc_now(), may_create=True))

    results = record(site, [_prepared("one", "jira"), wrong, _prepared("two", "jira")])

    assert [isinstance(result, Conflict) for result in results] == [False, True, False]
    assert rows(site, Failure)[1].count == 2


def test_a_trace_is_kept_once_however_often_it_comes(site: Installation) -> None:
    trace = "Traceback\n" + "x" * 100_000

    for code in ("A", "B", "A"):
        report(site, errorCode=code, trace=trace)

    with site.store.reading() as connection:
        (row,) = connection.execute(Trace.__table__.select()).all()
    assert (row.size, row.lines) == (len(trace), 2)
    assert len(row.body) < 2_000


def test_a_time_ahead_of_the_clock_counts_as_now(site: Installation) -> None:
    answer = report(site, occurredAt="2999-01-01T00:00:00Z")

    assert failure(site, answer).last_logged_at <= utc_now()
    assert active(site)["recovered"] is True
