"""What a hostile review found in intake: clocks set back, floods, deletions, told for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from app.clock import monotonic, utc_now
from app.domain.identity import processing_identity
from app.domain.kinds import DeliveryState, Direction, EndReason, FailureState, Kind
from app.models import Delivery, Failure, IntegrationDirection
from app.services import configuring, failures, invariants, outbox
from app.services.installation import Installation
from app.services.intake import ActivityBody, FailureBody, Report
from app.services.intake.activity import take_activity
from app.services.intake.recording import prepare, record
from app.services.intake.rows import FailureRow, Lines
from app.services.intake.state import Batch
from app.services.integrations import INTEGRATIONS
from app.shapes import parse
from tests.services.makers import ACTOR, unregister
from tests.services.spine import (
    Post,
    active,
    ago,
    at_once,
    deliveries,
    failure,
    mail_server,
    reasons,
    registered,
    report,
    rows,
)

YEARS = timedelta(days=3650)
LETTERS = "abcdefghij"


def change(site: Installation, model: Any, **values: Any) -> None:
    """Change all rows of a table."""
    with site.store.writing() as connection:
        connection.execute(update(model.__table__).values(values))


def message(number: int) -> str:
    """Return a message that is no other's failure; digits would be masked."""
    return "lost " + "".join(LETTERS[int(digit)] for digit in str(number))


@contextmanager
def changed_failures(site: Installation) -> Iterator[list[int]]:
    """Note how many failures each statement updates."""
    counts: list[int] = []

    def see(_c: Any, _u: Any, statement: str, given: Any, _x: Any, executemany: bool) -> None:
        if statement.startswith("UPDATE failures"):
            counts.append(len(given) if executemany else 1)

    event.listen(site.store.engine, "before_cursor_execute", see)
    try:
        yield counts
    finally:
        event.remove(site.store.engine, "before_cursor_execute", see)


# A clock that was ahead and has been set back


def test_a_failure_from_a_clock_that_was_ahead_lets_activity_end_the_episode(
    site: Installation,
) -> None:
    registered(site)
    report(site)
    change(site, IntegrationDirection, last_failure_at=utc_now() + YEARS)

    assert active(site, occurredAt=ago(hours=1))["recovered"] is False
    assert active(site)["recovered"] is True


def test_times_from_a_clock_that_was_ahead_are_corrected_by_the_next_report(
    site: Installation,
) -> None:
    registered(site)
    report(site)
    ahead = utc_now() + YEARS
    change(site, IntegrationDirection, last_failure_at=ahead, last_activity_at=ahead)
    change(site, Failure, last_logged_at=ahead)

    answer = report(site)
    active(site)

    forward = next(
        row for row in rows(site, IntegrationDirection) if row.direction == Direction.FORWARD
    )
    assert forward.last_failure_at <= utc_now()
    assert forward.last_activity_at <= utc_now()
    assert failure(site, answer).last_logged_at <= utc_now()


def test_an_entity_that_failed_under_a_clock_that_was_ahead_can_be_resolved(
    site: Installation,
) -> None:
    registered(site)
    answer = report(site, kind="processing", entityId="B-1")
    change(site, Failure, last_logged_at=utc_now() + YEARS)

    assert active(site, resolvedEntities=[{"entityId": "B-1"}])["resolved"] == 1
    assert failure(site, answer).state is FailureState.RESOLVED


def test_a_mail_sent_under_a_clock_that_was_ahead_silences_nothing(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        answer = report(site)
        Post(site).serve()
        change(site, Failure, notified_at=utc_now() + YEARS)

        report(site)

    assert reasons(site, answer) == ["immediate", "immediate"]


# Floods


def test_resolving_many_entities_takes_time_by_their_number_alone() -> None:
    number, now = 8000, utc_now()
    lines = Lines(1, 1, "jira", 3, Direction.FORWARD, True, None, None, 0, 0, 0, None)
    batch = Batch(now, timedelta(hours=1), {("jira", Direction.FORWARD): lines})
    for one in range(number):
        batch.keep(_entity(lines, f"B-{one}"))
    started = monotonic()

    resolved = 0
    for start in range(0, number, 1000):
        entities = [{"entityId": f"B-{one}"} for one in range(start, start + 1000)]
        body = parse(ActivityBody, {"resolvedEntities": entities})
        made = Report(1, None, "jira", body, now, may_create=False)
        resolved += take_activity(batch, made, body)[1]

    assert resolved == number
    # comparing each entity with each row took 10 s and more
    assert monotonic() - started < 3


def _entity(lines: Lines, entity_id: str) -> FailureRow:
    now = utc_now() - timedelta(hours=1)
    return FailureRow(
        identity=processing_identity(lines.id, None, entity_id, None),
        kind=Kind.PROCESSING,
        integration_id=lines.integration_id,
        direction_id=lines.id,
        direction=lines.direction,
        error_code=None,
        message="x",
        entity_type=None,
        entity_id=entity_id,
        project=None,
        first_logged_at=now,
        last_logged_at=now,
    )


def test_a_threshold_changes_only_the_failures_that_its_waiting_mail_lacks(
    site: Installation,
) -> None:
    registered(site, failureCount=2)
    answers = [report(site, message=message(number)) for number in range(40)]

    with changed_failures(site) as counts:
        answers += [report(site, message=message(number)) for number in (40, 41, 0, 1)]

    # the second threshold: both rows had been told, and only the one reported is decided anew
    assert sum(counts) <= 4
    (mail,) = deliveries(site)
    assert (mail.item_count, mail.occurrences) == (42, 44)
    assert {row.told_delivery_id for row in rows(site, Failure)} == {mail.id}
    assert all("count_reached" in reasons(site, answer) for answer in answers)
    assert invariants.check(site) == []


def test_what_a_mail_told_in_an_episode_before_is_told_in_the_next_one_too(
    site: Installation,
) -> None:
    registered(site, failureCount=2)
    first = report(site, errorCode="A")
    report(site, errorCode="A")
    active(site)

    report(site, errorCode="A"), report(site, errorCode="B")

    assert reasons(site, first)[-1] == "count_reached"
    assert {row.told_episode for row in rows(site, Failure)} == {2}
    # the first mail waits still, as that of an episode that has ended: it says so
    assert [mail.item_count for mail in deliveries(site)] == [1, 2]
    assert [mail.recovered_at is None for mail in deliveries(site)] == [False, True]


def test_a_mail_after_a_delivered_one_tells_all_failures_of_the_episode_again(
    site: Installation,
) -> None:
    with mail_server() as sink:
        registered(site, sink.port, failureCount=2)
        for code in "ABCD":
            report(site, errorCode=code)
        Post(site).run_pass()

        report(site, errorCode="E"), report(site, errorCode="E")

    assert [mail.item_count for mail in deliveries(site)] == [4, 5]
    assert {row.told_delivery_id for row in rows(site, Failure)} == {deliveries(site)[1].id}


def test_reports_are_decided_alike_in_one_transaction_or_in_many(site: Installation) -> None:
    codes = "AABACDDABEEFA"
    registered(site, key="many", failureCount=2)
    registered(site, key="one", failureCount=2)

    for code in codes:
        report(site, "many", errorCode=code)
        if code == "C":
            active(site, "many")
    record(site, [prepare(made) for code in codes for made in _reports(code)])

    found: dict[int, list[Any]] = {}
    for row in rows(site, Failure):
        one = {"history": row.decision["history"], "reason": row.decision["reason"]}
        decided = [each["reason"] for each in (*one["history"], one)]
        found.setdefault(row.integration_id, []).append(
            (row.error_code, row.state, row.episode, row.told_episode, decided)
        )
    many, one_batch = found.values()
    assert many == one_batch
    mails: dict[int, list[Any]] = {}
    for mail in deliveries(site):
        ended = mail.recovered_at is None
        mails.setdefault(mail.integration_id, []).append((mail.item_count, mail.occurrences, ended))
    of_many, of_one_batch = mails.values()
    assert of_many == of_one_batch
    assert invariants.check(site) == []


def _reports(code: str) -> Iterator[Report]:
    made = {"kind": "global", "message": "Login refused", "errorCode": code}
    yield Report(1, None, "one", parse(FailureBody, made), utc_now(), may_create=True)
    if code == "C":
        yield Report(1, None, "one", parse(ActivityBody, {}), utc_now(), may_create=True)


# Deletions, and failures told for nothing


def test_a_delivered_mail_may_outlive_the_failures_it_told(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        answer = report(site)
        Post(site).serve()

    failures.delete(site, int(answer["failure"]["id"]), ACTOR)

    assert invariants.check(site) == []
    assert deliveries(site)[0].item_count == 1


def test_a_mail_in_mid_send_counts_what_it_tells_after_its_integration_was_deleted(
    site: Installation,
) -> None:
    at_once(site, 25)
    report(site)
    change(site, Delivery, state=DeliveryState.LEASED, started=True)

    unregister(site)
    configuring.delete(INTEGRATIONS, site, ACTOR, "jira")

    # it could not be sent and waits again
    change(site, Delivery, state=DeliveryState.PENDING, started=False)
    assert invariants.check(site) == []


def test_an_open_mail_that_miscounts_is_found(site: Installation) -> None:
    at_once(site, 25)
    report(site)
    change(site, Delivery, item_count=7)

    (found,) = invariants.check(site)
    assert found.text == "an open delivery tells what it counts"


@pytest.mark.parametrize("ended", [DeliveryState.CANCELLED, DeliveryState.DEAD])
def test_a_failure_told_by_a_mail_that_will_not_go_is_found(
    site: Installation, ended: DeliveryState
) -> None:
    at_once(site, 25)
    report(site)
    change(site, Delivery, state=ended, reason=EndReason.REJECTED, finished_at=utc_now())

    (found,) = invariants.check(site)
    assert found.text == "a told failure stands in a mail that goes"


def test_a_failure_of_a_quarantined_mail_may_stay_told(site: Installation) -> None:
    at_once(site, 25)
    report(site)
    with site.store.writing() as connection:
        outbox.quarantine(connection, deliveries(site)[0].id, 3, utc_now())

    assert invariants.check(site) == []
