"""Delivering over real SMTP: claims, attempts, verdicts, lanes that fail and come back."""

from __future__ import annotations

import email
import email.policy
import itertools
from typing import Any

import pytest
from sqlalchemy import update

from app import clock
from app.clock import utc_now
from app.domain.kinds import (
    DeliveryState,
    EndReason,
    ErrorType,
    FailureState,
    LaneState,
    Verdict,
)
from app.models import Attempt, Delivery, DeliveryRecipient, Failure, Process, System
from app.services import invariants, lane_work, lanes, outbox, processes, sweep
from app.services.deliver.claims import take
from app.services.deliver.steps import Start, Step, commit
from app.services.installation import Installation
from tests.servers.sink import DROP, Sink
from tests.services.makers import ACTOR, lane_of, put_system, register, unregister
from tests.services.spine import (
    Post,
    active,
    at_once,
    deliveries,
    failure,
    mail_server,
    registered,
    report,
    rows,
)


def attempts(site: Installation) -> list[Any]:
    """Return all attempts in order."""
    table = Attempt.__table__
    with site.store.reading() as connection:
        return list(
            connection.execute(table.select().order_by(table.c.delivery_id, table.c.number))
        )


def others(site: Installation) -> list[Any]:
    """Return the other errors."""
    return [row for row in rows(site, Failure) if row.error_type is ErrorType.OTHER]


def recipients(site: Installation) -> dict[str, str]:
    """Return the state of each recipient."""
    with site.store.reading() as connection:
        found = connection.execute(DeliveryRecipient.__table__.select()).all()
    return {row.address: str(row.state) for row in found}


def test_a_failure_becomes_a_mail(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        answer = report(site, errorCode="AUTH_401", trace="LoginError: 401")
        Post(site).serve()

    (mail,) = sink.mails
    message = email.message_from_bytes(mail.body, policy=email.policy.default)
    assert mail.recipients == ("ops@corp.example",)
    assert "AUTH_401" in str(message["Subject"])
    (delivery,) = deliveries(site)
    assert (delivery.state, delivery.attempt_count) == (DeliveryState.DELIVERED, 1)
    assert message["Message-ID"] == delivery.message_id
    assert message["X-Tocsin-Delivery"] == str(delivery.id)
    assert failure(site, answer).notified_delivery_id == delivery.id
    (attempt,) = attempts(site)
    assert (attempt.verdict, attempt.status) == (Verdict.OK, 250)
    assert recipients(site) == {"ops@corp.example": "accepted"}
    assert invariants.check(site) == []


def test_nothing_that_waits_for_the_pass_goes_before_it(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, sink.port, failureCount=1)
        report(site)
        post = Post(site)
        post.serve()
        assert sink.mails == []

        post.run_pass()

    assert len(sink.mails) == 1


def test_many_mails_go_over_few_connections(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        for number in range(40):
            report(site, errorCode=f"E{number}")
        Post(site).serve()

    assert len(sink.mails) == 40
    assert sink.connections <= 4 + 1
    assert {row.state for row in deliveries(site)} == {DeliveryState.DELIVERED}
    assert invariants.check(site) == []


def test_the_attempt_is_written_before_the_server_sees_the_mail(site: Installation) -> None:
    seen: list[int] = []

    with mail_server() as sink:
        at_once(site, sink.port)
        report(site)
        original = sink.box.take

        def take_note(mail: Any) -> None:
            seen.append(len([one for one in attempts(site) if one.verdict is None]))
            original(mail)

        sink.box.take = take_note  # type: ignore[method-assign]
        Post(site).serve()

    assert seen == [1]
    assert [one.verdict for one in attempts(site)] == [Verdict.OK]


def test_a_server_that_is_down_is_one_other_error_and_the_mail_stays_pending(
    site: Installation,
) -> None:
    with mail_server() as sink:
        port = sink.port
    at_once(site, port)
    for code in ("A", "B", "C"):
        report(site, errorCode=code)
    post = Post(site)

    post.serve()

    # one probe stood for all that were due with it
    assert len(attempts(site)) == 1
    assert {row.state for row in deliveries(site)} == {DeliveryState.PENDING}
    (other,) = others(site)
    assert (other.reason, other.count) == ("connection", 1)
    lane = lane_of(site)
    assert (lane.state, lane.round) == (LaneState.RETRYING, 1)
    assert lane_work.with_work(site) == []

    post.run_pass()
    assert others(site)[0].count == 2
    (attempt,) = attempts(site)
    assert attempt.count == 2, "equal failures fold into one row"

    with Sink(port=port) as sink:
        post.run_pass()
        assert len(sink.mails) == 3
    assert {row.state for row in deliveries(site)} == {DeliveryState.DELIVERED}
    assert others(site)[0].state is FailureState.RESOLVED
    assert lane_of(site).state is LaneState.NORMAL
    assert invariants.check(site) == []


def test_a_new_mail_of_a_failing_system_is_attempted_at_once_and_frees_the_others(
    site: Installation,
) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        sink.script.replies["CONNECT"] = "421 4.3.2 closing"
        report(site, errorCode="A")
        post = Post(site)
        post.serve()
        assert lane_of(site).state is LaneState.RETRYING

        sink.script.replies.clear()
        report(site, errorCode="B")
        clock.sleep(1.1)  # attempts are 1 s apart while a lane is failing
        post.serve()

    assert len(sink.mails) == 2
    assert lane_of(site).state is LaneState.NORMAL


def test_recipients_are_told_apart_and_only_the_deferred_are_asked_again(
    site: Installation,
) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        people = ["ok@corp.example", "later@corp.example", "never@corp.example"]
        register(site, forward={"recipients": people, "global": {"immediately": True}})
        sink.script.recipients = {
            "later@corp.example": "450 4.2.0 come again",
            "never@corp.example": "550 5.1.1 no such user",
        }
        report(site)
        post = Post(site)
        post.serve()
        assert recipients(site) == {
            "ok@corp.example": "accepted",
            "later@corp.example": "deferred",
            "never@corp.example": "rejected",
        }
        assert deliveries(site)[0].state is DeliveryState.PENDING
        sink.script.recipients.pop("later@corp.example")
        post.run_pass()

    asked = [line for line in sink.box.commands if line.startswith("RCPT")]
    counts = [sum(name in line for line in asked) for name in ("ok@", "later@", "never@")]
    assert counts == [1, 2, 1]
    assert deliveries(site)[0].state is DeliveryState.DELIVERED
    named = [row for row in others(site) if row.entity_id == "never@corp.example"]
    assert len(named) == 1 and "550" in named[0].message
    assert invariants.check(site) == []


def test_when_all_are_refused_the_mail_stays_and_all_are_asked_again(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        sink.script.replies["RCPT"] = "550 5.1.1 no such user"
        report(site)
        post = Post(site)
        post.serve()
        assert (len(sink.mails), deliveries(site)[0].state) == (0, DeliveryState.PENDING)

        sink.script.replies.clear()
        post.run_pass()

    assert len(sink.mails) == 1
    assert invariants.check(site) == []


def test_a_refused_mail_waits_for_the_pass_while_the_next_one_goes(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        sink.script.once["DOT"] = ["554 5.6.0 this one not"]
        report(site, errorCode="A"), report(site, errorCode="B")
        post = Post(site)
        post.serve()

        assert len(sink.mails) == 1
        assert lane_of(site).state is LaneState.NORMAL
        assert sorted(row.state for row in deliveries(site)) == ["delivered", "pending"]
        post.run_pass()

    assert len(sink.mails) == 2
    assert invariants.check(site) == []


def test_a_drop_after_the_dot_says_that_it_may_have_been_sent_and_keeps_the_id(
    site: Installation,
) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        sink.script.once["DOT"] = [DROP]
        report(site)
        post = Post(site)
        post.serve()
        first = deliveries(site)[0]
        assert attempts(site)[0].verdict is Verdict.UNKNOWN
        post.run_pass()

    (mail,) = sink.mails
    assert first.message_id is not None and first.message_id.encode() in mail.body
    assert deliveries(site)[0].state is DeliveryState.DELIVERED


def test_saving_a_system_or_registration_readdresses_what_waits(site: Installation) -> None:
    with mail_server() as wrong:
        port = wrong.port
    registered(site, port, failureCount=1)
    report(site)
    post = Post(site)
    post.run_pass()

    with mail_server() as sink:
        register(site, forward={"recipients": ["new@corp.example"]})
        stored = rows(site, System)[0].options
        put_system(site, options=stored | {"port": sink.port})
        post.run_pass()

    assert [mail.recipients for mail in sink.mails] == [("new@corp.example",)]


def test_unregistering_cancels_what_waits_and_forgets_that_it_was_told(
    site: Installation,
) -> None:
    with mail_server() as sink:
        registered(site, sink.port, failureCount=1)
        answer = report(site)
        unregister(site)
        Post(site).run_pass()

    (delivery,) = deliveries(site)
    assert (delivery.state, delivery.reason) == (DeliveryState.CANCELLED, EndReason.UNREGISTERED)
    assert sink.mails == []
    assert failure(site, answer).told_delivery_id is None


def test_a_paused_system_stores_and_sends_nothing(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        stored = rows(site, System)[0].options
        put_system(site, options=stored, status="paused")
        report(site)
        post = Post(site)
        post.run_pass()
        assert sink.mails == []

        put_system(site, options=stored)
        post.serve()

    assert len(sink.mails) == 1


def test_an_entity_that_succeeded_meanwhile_is_left_out(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, sink.port)
        for number in ("1", "2"):
            report(site, kind="processing", entityId=f"BUG-{number}", retryCount=3)
        active(site, resolvedEntities=[{"entityId": "BUG-1"}])
        Post(site).run_pass()

    (mail,) = sink.mails
    message = email.message_from_bytes(mail.body, policy=email.policy.default)
    text = message.get_body(("plain",))
    assert text is not None
    assert "BUG-2" in text.get_content() and "BUG-1" not in text.get_content()


def _claimed(site: Installation, process_id: int) -> tuple[lanes.Lease, int]:
    lease = lanes.claim(site, lane_of(site).id, process_id, 60)
    assert lease is not None
    (claimed,) = take(site, lease)
    return lease, claimed.id


def _start(lease: lanes.Lease, delivery_id: int, process_id: int) -> Step:
    return Step(lease, start=Start(delivery_id, 60, process_id, "<id@test>"))


def test_a_lane_has_one_owner_at_a_time(site: Installation) -> None:
    at_once(site, 25)
    report(site)
    me, you = processes.register(site, "worker"), processes.register(site, "worker")

    first = lanes.claim(site, lane_of(site).id, me, 60)
    second = lanes.claim(site, lane_of(site).id, you, 60)

    assert first is not None
    assert second is None
    lanes.give_back(site, first)
    assert lanes.claim(site, lane_of(site).id, you, 60) is not None


def _die(site: Installation, process_id: int) -> None:
    """Make a process look as the kernel shows a dead one."""
    with site.store.writing() as connection:
        connection.execute(update(Process).where(Process.id == process_id).values(started="gone"))


def test_what_a_dead_owner_held_is_given_back_at_the_next_sweep(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site)
        dead = processes.register(site, "worker")
        lease, delivery_id = _claimed(site, dead)
        assert commit(site, _start(lease, delivery_id, dead)).number == 1
        assert sweep.sweep(site) == [], "a living owner is left alone"

        _die(site, dead)
        assert sweep.sweep(site) == [lane_of(site).id]
        Post(site).serve()

    assert len(sink.mails) == 1
    assert [one.verdict for one in attempts(site)] == [Verdict.UNKNOWN, Verdict.OK]
    assert deliveries(site)[0].lost_leases == 1
    assert invariants.check(site) == []


def test_the_third_lost_attempt_quarantines_a_delivery_and_the_others_flow(
    site: Installation,
) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site, errorCode="POISON")
        for _ in range(3):
            dead = processes.register(site, "worker")
            lease, delivery_id = _claimed(site, dead)
            commit(site, _start(lease, delivery_id, dead))
            _die(site, dead)
            sweep.sweep(site)
        report(site, errorCode="GOOD")
        Post(site).serve()

    poison, good = deliveries(site)
    assert (poison.state, poison.reason) == (DeliveryState.DEAD, EndReason.QUARANTINED)
    assert good.state is DeliveryState.DELIVERED
    assert "quarantined" in others(site)[0].message or others(site)[0].state == "resolved"
    assert invariants.check(site) == []


def test_a_delivery_that_was_claimed_and_not_started_is_not_held_against_it(
    site: Installation,
) -> None:
    at_once(site, 25)
    report(site)
    for _ in range(4):
        dead = processes.register(site, "worker")
        _claimed(site, dead)
        _die(site, dead)
        sweep.sweep(site)

    lease = lanes.claim(site, lane_of(site).id, processes.register(site, "worker"), 60)
    assert lease is not None
    (delivery,) = deliveries(site)
    assert (delivery.state, delivery.lost_leases) == (DeliveryState.PENDING, 0)


def test_what_was_cancelled_after_its_claim_is_not_sent(site: Installation) -> None:
    at_once(site, 25)
    report(site)
    me = processes.register(site, "worker")
    lease, delivery_id = _claimed(site, me)

    outbox.cancel(site, delivery_id, ACTOR)

    assert commit(site, _start(lease, delivery_id, me)).number is None
    assert deliveries(site)[0].state is DeliveryState.CANCELLED


def test_a_lease_that_ends_further_ahead_than_it_can_counts_as_ended(site: Installation) -> None:
    at_once(site, 25)
    me = processes.register(site, "worker")
    lease = lanes.claim(site, lane_of(site).id, me, 86_400 * 3_650)
    assert lease is not None

    assert lanes.claim(site, lane_of(site).id, me, 60) is not None


def test_a_damaged_row_is_rejected_and_the_others_go(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site, errorCode="A"), report(site, errorCode="B")
        first = deliveries(site)[0]
        with site.store.writing() as connection:
            connection.execute(
                update(Delivery).where(Delivery.id == first.id).values(why="no reason of ours")
            )
        Post(site).serve()

    bad, good = deliveries(site)
    assert (bad.state, bad.reason) == (DeliveryState.DEAD, EndReason.REJECTED)
    assert good.state is DeliveryState.DELIVERED
    assert invariants.check(site) == []


def test_a_damaged_row_adds_no_header(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site)
        with site.store.writing() as connection:
            evil = "<evil\r\nBcc: x@evil.example>"
            connection.execute(update(Delivery).values(message_id=evil))
        Post(site).serve()

    (mail,) = sink.mails
    assert email.message_from_bytes(mail.body)["Bcc"] is None


@pytest.mark.parametrize("count", [1, 5])
def test_a_mail_threads_with_the_mails_of_its_failure(site: Installation, count: int) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        for number in itertools.islice(itertools.count(), count):
            report(site, errorCode="SAME")
            active(site, cycleId=f"good {number}")
        Post(site).serve()

    parsed = [email.message_from_bytes(mail.body) for mail in sink.mails]
    assert len(parsed) == count
    assert len({message["In-Reply-To"] for message in parsed}) == 1
    assert all(message["In-Reply-To"] in message["References"] for message in parsed)
    assert len({message["Message-ID"] for message in parsed}) == count


def test_a_lost_encryption_key_sends_nothing_and_says_so(site: Installation) -> None:
    with mail_server() as sink:
        options = {
            "server": "127.0.0.1",
            "port": sink.port,
            "encryption": "none",
            "allowAuthWithoutTls": True,
            "senderEmail": "tocsin@corp.example",
        }
        at_once(site, sink.port)
        put_system(site, options=options, secrets={"password": "secret"})
        sealed = {"password": {"sealed": "gAAAAAB-not-ours", "setAt": utc_now().isoformat()}}
        with site.store.writing() as connection:
            connection.execute(update(System).values(secrets=sealed))
        report(site)
        Post(site).serve()

    assert sink.mails == []
    assert "TOCSIN_ENCRYPTION_KEYS" in others(site)[0].message
    assert deliveries(site)[0].state is DeliveryState.PENDING
