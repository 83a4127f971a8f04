"""Silence and recovery over the real database: once per episode, by the pass (S1; product.md 3)."""

from __future__ import annotations

import email
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from app.clock import utc_now
from app.models import Delivery, IntegrationDirection, Registration
from app.services import invariants, outbox, silence
from app.services.installation import Installation
from app.services.intake.recording import prepare, record
from app.services.intake.reports import ActivityBody, Report
from app.services.reading import runs
from app.shapes import parse
from tests.servers.sink import Sink
from tests.services.makers import put_integration, register, unregister
from tests.services.spine import (
    Post,
    active,
    ago,
    deliveries,
    mail_server,
    registered,
    report,
    rows,
)

HOURS = 6 * 60


def watched(site: Installation, port: int = 25, key: str = "jira", **settings: Any) -> None:
    """Register an integration whose silence is told after 6 hours, long ago."""
    registered(site, port, key, noActivityMinutes=HOURS, **settings)
    put_integration(site, key, bidirectional=False)
    long_ago(site)


def long_ago(site: Installation) -> None:
    """Let everything have been activated and registered long ago."""
    past = utc_now() - timedelta(days=30)
    with site.store.writing() as connection:
        connection.execute(IntegrationDirection.__table__.update().values(activated_at=past))
        connection.execute(Registration.__table__.update().values(registered_at=past))


def fall_silent(site: Installation, hours: float = 7) -> None:
    """Let the last activity be so long ago."""
    past = utc_now() - timedelta(hours=hours)
    with site.store.writing() as connection:
        connection.execute(IntegrationDirection.__table__.update().values(last_activity_at=past))


def kinds(site: Installation) -> list[str]:
    return [str(mail.kind) for mail in deliveries(site)]


def subjects(sink: Sink) -> list[str]:
    parsed = [email.message_from_bytes(mail.body) for mail in sink.mails]
    return [str(email.header.make_header(email.header.decode_header(m["Subject"]))) for m in parsed]


def forward(site: Installation) -> Any:
    return next(row for row in rows(site, IntegrationDirection) if row.direction == "forward")


def test_a_silent_direction_is_told_once_by_the_pass(site: Installation) -> None:
    with mail_server() as sink:
        watched(site, sink.port)
        fall_silent(site)
        post = Post(site)
        post.run_pass()
        post.run_pass()

    assert kinds(site) == ["inactivity"]
    assert len(sink.mails) == 1
    decision = forward(site).decisions["inactivity"]
    assert (decision["reason"], decision["outcome"]) == ("inactivity", "send")
    assert decision["delivery"] == str(deliveries(site)[0].id)
    assert invariants.check(site) == []


def test_a_direction_within_its_limit_is_not_told(site: Installation) -> None:
    watched(site)
    fall_silent(site, hours=5.9)

    Post(site).run_pass()

    assert deliveries(site) == []


@pytest.mark.parametrize("column", ["activated_at", "registered_at"])
def test_the_clock_of_silence_starts_at_activation_and_registration(
    site: Installation, column: str
) -> None:
    watched(site)
    fall_silent(site, hours=100)
    table = Registration if column == "registered_at" else IntegrationDirection
    with site.store.writing() as connection:
        connection.execute(table.__table__.update().values({column: utc_now()}))

    Post(site).run_pass()

    assert deliveries(site) == []


def test_an_inactive_or_unregistered_direction_is_not_watched(site: Installation) -> None:
    watched(site)
    fall_silent(site)
    put_integration(site, bidirectional=False, forward={"status": "inactive"})
    Post(site).run_pass()
    put_integration(site, bidirectional=False)
    long_ago(site)
    unregister(site)
    Post(site).run_pass()

    assert deliveries(site) == []


def test_both_directions_are_watched_by_the_same_setting(site: Installation) -> None:
    registered(site, noActivityMinutes=HOURS)
    long_ago(site)
    fall_silent(site)

    Post(site).run_pass()

    assert sorted(str(mail.direction) for mail in deliveries(site)) == ["backward", "forward"]


def test_silence_is_told_anew_after_activity(site: Installation) -> None:
    with mail_server() as sink:
        watched(site, sink.port)
        fall_silent(site)
        post = Post(site)
        post.run_pass()
        active(site)
        fall_silent(site)
        post.run_pass()

    assert kinds(site) == ["inactivity", "recovery", "inactivity"]
    assert forward(site).episode == 2


def test_a_direction_whose_failure_was_told_is_not_told_silent_as_well(
    site: Installation,
) -> None:
    with mail_server() as sink:
        watched(site, sink.port, failureCount=1)
        report(site)
        fall_silent(site)
        Post(site).run_pass()

    assert kinds(site) == ["failure"]
    assert forward(site).decisions["inactivity"]["reason"] == "already_told"
    assert len(sink.mails) == 1


def test_a_direction_that_fails_below_its_threshold_is_told_silent(site: Installation) -> None:
    watched(site, failureCount=3)
    report(site)
    fall_silent(site)

    Post(site).run_pass()

    assert kinds(site) == ["inactivity"]


def test_recovery_is_told_once_to_those_who_were_told(site: Installation) -> None:
    with mail_server() as sink:
        watched(site, sink.port, failureCount=1)
        report(site)
        post = Post(site)
        post.run_pass()
        active(site)
        active(site)
        post.run_pass()
        post.run_pass()

    assert kinds(site) == ["failure", "recovery"]
    assert len(sink.mails) == 2
    assert forward(site).decisions["recovery"]["reason"] == "recovery"
    first, second = (email.message_from_bytes(mail.body) for mail in sink.mails)
    # both stand in one thread
    assert set(second["References"].split()) & set(first["References"].split())
    assert invariants.check(site) == []


def test_nobody_is_told_of_a_recovery_that_nobody_was_told_to_wait_for(
    site: Installation,
) -> None:
    watched(site, failureCount=3)
    report(site)

    active(site)
    Post(site).run_pass()

    assert deliveries(site) == []


def test_the_switch_of_the_form_keeps_recovery_quiet(site: Installation) -> None:
    with mail_server() as sink:
        watched(site, sink.port, failureCount=1)
        told = {"recipients": ["ops@corp.example"], "global": {"failureCount": 1}}
        register(site, forward=told, tellRecovery=False)
        report(site)
        post = Post(site)
        post.run_pass()
        active(site)
        post.run_pass()

    assert kinds(site) == ["failure"]
    assert forward(site).decisions["recovery"]["reason"] == "kind_disabled"


@pytest.mark.parametrize("kind", ["failure", "inactivity"])
def test_mail_that_waits_when_activity_returns_is_sent_and_says_so(
    site: Installation, kind: str
) -> None:
    with mail_server() as sink:
        watched(site, sink.port, failureCount=1)
        if kind == "failure":
            report(site)
        else:
            fall_silent(site)
            silence.tell(site, utc_now())
        active(site)
        Post(site).run_pass()

    assert kinds(site) == [kind]
    assert "works again" in subjects(sink)[0]
    assert b"orks again since" in sink.mails[0].body
    assert forward(site).decisions["recovery"]["reason"] == "already_told"


def test_late_activity_ends_no_silence_that_it_does_not_end(site: Installation) -> None:
    watched(site)
    fall_silent(site, hours=20)
    Post(site).run_pass()

    assert active(site, occurredAt=ago(hours=10))["recovered"] is False
    assert active(site, occurredAt=ago(hours=1))["recovered"] is True


def test_activity_older_than_the_last_failure_ends_nothing(site: Installation) -> None:
    watched(site, failureCount=1)
    report(site)

    assert active(site, occurredAt=ago(minutes=5))["recovered"] is False
    assert forward(site).count == 0  # its mail was decided
    assert forward(site).episode_since is not None


def test_registering_anew_starts_the_watch_anew(site: Installation) -> None:
    watched(site)
    fall_silent(site)
    Post(site).run_pass()
    unregister(site)
    watched(site)
    Post(site).run_pass()

    assert deliveries(site)[0].state == "cancelled"
    assert kinds(site) == ["inactivity", "inactivity"]


def test_more_silent_directions_than_a_transaction_takes_are_told_each_once(
    site: Installation,
) -> None:
    registered(site, noActivityMinutes=HOURS)
    for number in range(230):
        put_integration(site, f"job{number}", bidirectional=False)
        told = {"recipients": ["ops@corp.example"], "global": {"noActivityMinutes": HOURS}}
        register(site, f"job{number}", forward=told)
    long_ago(site)
    with site.store.writing() as connection:
        connection.execute(IntegrationDirection.__table__.update().values(last_activity_at=None))

    Post(site).run_pass()

    ways = {(mail.integration_id, mail.direction) for mail in deliveries(site)}
    assert len(ways) == len(deliveries(site)) == 232


def test_a_run_says_what_it_did(site: Installation) -> None:
    with mail_server() as sink:
        watched(site, sink.port, failureCount=1)
        watched(site, sink.port, "other", failureCount=1)
        report(site)
        fall_silent(site)
        run_id = Post(site).run_pass()
    run = runs.one(site, run_id)
    assert (run.considered, run.notified, run.skipped, run.held, run.failed) == (3, 2, 1, 0, 0)


def test_the_mail_of_an_ended_episode_is_not_joined_by_the_next(site: Installation) -> None:
    watched(site, failureCount=1)
    report(site, errorCode="A")
    active(site)
    report(site, errorCode="B")

    first, second = deliveries(site)
    assert first.recovered_at is not None
    assert second.recovered_at is None
    assert (first.item_count, second.item_count) == (1, 1)
    assert {row.state for row in rows(site, Delivery)} == {"pending"}


def test_two_directions_that_recover_in_one_transaction_are_both_marked(
    site: Installation,
) -> None:
    for key in ("one", "two"):
        watched(site, key=key, failureCount=1)
        report(site, key)

    record(site, [prepare(made) for key in ("one", "two") for made in _activity(key)])

    assert [mail.recovered_at is not None for mail in deliveries(site)] == [True, True]


def _activity(key: str) -> Iterator[Report]:
    yield Report(1, None, key, parse(ActivityBody, {}), utc_now(), may_create=True)


def test_a_recovery_is_told_although_the_last_mail_of_the_episode_was_cancelled(
    site: Installation,
) -> None:
    with mail_server() as sink:
        watched(site, sink.port, failureCount=1)
        report(site, errorCode="A")
        Post(site).run_pass()
        report(site, errorCode="B")
        outbox.cancel(site, deliveries(site)[-1].id, "ada")
        active(site)

    assert kinds(site) == ["failure", "failure", "recovery"]


def test_what_says_that_it_works_again_goes_before_the_mail_that_it_fails_again(
    site: Installation,
) -> None:
    with mail_server() as sink:
        watched(site, sink.port, immediately=True)
        report(site, errorCode="A")
        post = Post(site)
        post.serve()
        active(site)
        report(site, errorCode="B")
        post.serve()

    assert kinds(site) == ["failure", "recovery", "failure"]
    assert "works again" in subjects(sink)[1]
    assert "failing" in subjects(sink)[2]


def test_a_recovery_mail_says_that_it_fails_again(site: Installation) -> None:
    with mail_server() as sink:
        watched(site, sink.port, failureCount=1)
        report(site)
        post = Post(site)
        post.run_pass()
        active(site)
        told = {"recipients": ["ops@corp.example"], "global": {"failureCount": 5}}
        register(site, forward=told)
        report(site)
        post.run_pass()

    assert kinds(site) == ["failure", "recovery"]
    assert b"is silent, again: since" in sink.mails[1].body


def test_a_silence_that_was_told_is_told_to_whoever_registers_it_next(
    site: Installation,
) -> None:
    with mail_server() as sink:
        watched(site, sink.port)
        fall_silent(site)
        post = Post(site)
        post.run_pass()
        unregister(site)
        watched(site, sink.port)
        post.run_pass()

    assert len(sink.mails) == 2


def test_an_inactivity_mail_tells_the_limit_by_which_it_was_decided(site: Installation) -> None:
    with mail_server() as sink:
        watched(site, sink.port)
        fall_silent(site)
        silence.tell(site, utc_now())
        told = {"recipients": ["ops@corp.example"], "global": {"noActivityMinutes": None}}
        register(site, forward=told)
        Post(site).run_pass()

    assert b"6 hours" in sink.mails[0].body
    assert b"1 minute" not in sink.mails[0].body


def test_what_failed_while_a_direction_was_inactive_counts_for_nothing(
    site: Installation,
) -> None:
    watched(site, failureCount=3)
    put_integration(site, bidirectional=False, forward={"status": "inactive"})
    for _ in range(7):
        report(site)
    put_integration(site, bidirectional=False)

    report(site)

    assert deliveries(site) == []
    assert forward(site).count == 1
