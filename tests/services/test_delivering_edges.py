"""Delivering at its edges: changes while mail waits or is under way, late and doubled verdicts."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from app import clock
from app.channels.base import ChannelError, Receipt, Verdict
from app.clock import utc_now
from app.domain.kinds import (
    DeliveryState,
    EndReason,
    ErrorType,
    Fail,
    FailureState,
    RecipientState,
)
from app.models import Delivery, Failure, Lane, System
from app.services import invariants, lane_work, lanes, outbox, preferences, processes, sweep
from app.services.deliver import Courier
from app.services.deliver.claims import take
from app.services.deliver.ended import Ended
from app.services.deliver.steps import Start, Step, commit
from app.services.installation import Installation
from app.services.preferences import PreferencesBody
from app.shapes import parse
from tests.servers.script import DROP, Script
from tests.servers.sink import Sink
from tests.services.makers import ACTOR, lane_of, put_system, register, unregister
from tests.services.spine import (
    Post,
    active,
    at_once,
    deliveries,
    failure,
    mail_server,
    reasons,
    registered,
    report,
    rows,
)


def people(*names: str) -> dict[str, Any]:
    """Return settings that tell these people at once."""
    return {
        "recipients": [f"{name}@corp.example" for name in names],
        "global": {"immediately": True},
    }


def started(site: Installation) -> tuple[lanes.Lease, int, int]:
    """Claim the one due mail and start its attempt, as a process of its own."""
    process = processes.register(site, "worker")
    lease = lanes.claim(site, lane_of(site).id, process, 60)
    assert lease is not None
    claimed = take(site, lease)[0]
    number = commit(site, Step(lease, start=Start(claimed.id, 60, process, "<x@test>"))).number
    assert number is not None
    return lease, claimed.id, number


def ended(delivery_id: int, number: int, outcome: Receipt | ChannelError, **more: Any) -> Ended:
    """Return how an attempt ended."""
    return Ended(delivery_id, 1, number, 1, outcome, **more)


def refused() -> ChannelError:
    """Return a failure of the endpoint."""
    return ChannelError("Connection refused.", reason=Fail.CONNECTION, endpoint=True)


def said(state: RecipientState, code: int) -> Receipt:
    """Return a receipt with one recipient."""
    return Receipt(code, "", (Verdict("ops@corp.example", state, code, "said"),))


def free(site: Installation) -> None:
    """Take the lane from whoever holds it, as if its lease had run out."""
    over = utc_now() - timedelta(seconds=1)
    with site.store.writing() as connection:
        connection.execute(update(Lane).values(lease_until=over))


def test_a_corrected_address_gets_the_mail_and_it_is_delivered(site: Installation) -> None:
    for code in ("550 5.1.1 no such user", "450 4.2.0 later"):
        with mail_server() as sink:
            at_once(site, sink.port)
            register(site, forward=people("wrong"))
            sink.script.recipients = {"wrong@corp.example": code}
            answer = report(site, errorCode=code)
            post = Post(site)
            post.serve()

            register(site, forward=people("right"))
            post.run_pass()

        assert [mail.recipients for mail in sink.mails] == [("right@corp.example",)]
        assert deliveries(site)[-1].state is DeliveryState.DELIVERED
        assert failure(site, answer).notified_delivery_id is not None
    assert invariants.check(site) == []


def test_a_mail_whose_deferred_recipient_was_removed_is_delivered_to_the_others(
    site: Installation,
) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        register(site, forward=people("here", "later"))
        sink.script.recipients = {"later@corp.example": "450 4.2.0 later"}
        answer = report(site)
        post = Post(site)
        post.serve()
        register(site, forward=people("here"))
        post.run_pass()

    assert len(sink.mails) == 1
    assert deliveries(site)[0].state is DeliveryState.DELIVERED
    assert failure(site, answer).notified_at is not None
    assert invariants.check(site) == []


def test_a_digest_tells_the_open_ones_however_many_have_succeeded(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, sink.port)
        for number in range(230):
            report(site, kind="processing", entityId=f"BUG-{number:03}", retryCount=3)
        done = [{"entityId": f"BUG-{number:03}"} for number in range(30, 230)]
        active(site, resolvedEntities=done)
        Post(site).run_pass()

    (mail,) = sink.mails
    message = email.message_from_bytes(mail.body, policy=email.policy.default)
    text = message.get_body(("plain",))
    assert text is not None
    assert "BUG-029" in text.get_content() and "BUG-030" not in text.get_content()
    told = {row.entity_id for row in rows(site, Failure) if row.notified_at is not None}
    assert told == {f"BUG-{number:03}" for number in range(30)}


def test_a_digest_with_nobody_left_to_tell_of_ends_with_its_reason(site: Installation) -> None:
    registered(site)
    report(site, kind="processing", entityId="BUG-1", retryCount=3)
    active(site, resolvedEntities=[{"entityId": "BUG-1"}])

    Post(site).run_pass()

    (delivery,) = deliveries(site)
    assert (delivery.state, delivery.reason) == (DeliveryState.CANCELLED, EndReason.REMOVED)


def test_a_mail_under_way_follows_its_registration_to_another_system(site: Installation) -> None:
    with mail_server() as good:
        at_once(site, 25)
        report(site)
        lease, delivery_id, number = started(site)
        options = rows(site, System)[0].options | {"port": good.port}
        put_system(site, "Good", options=options)
        register(site, system="Good", forward=people("ops"))
        commit(site, Step(lease, ended=ended(delivery_id, number, refused())))
        lanes.give_back(site, lease)

        post = Post(site)
        post.run_pass()
        post.serve()

    assert len(good.mails) == 1
    assert deliveries(site)[0].state is DeliveryState.DELIVERED
    assert invariants.check(site) == []


def test_pause_stops_a_lane_that_is_being_drained(site: Installation) -> None:
    with mail_server() as sink:
        sink.script.delays["DOT"] = 0.02
        at_once(site, sink.port)
        for number in range(200):
            report(site, errorCode=f"E{number}")
        courier = Courier(site, processes.register(site, "worker"))
        courier.serve(lane_of(site).id)
        sink.wait_for(5)
        preferences.replace(site, ACTOR, parse(PreferencesBody, {"paused": True}))
        while courier.busy:
            clock.sleep(0.01)
        courier.stop()

    assert 5 <= len(sink.mails) < 150
    assert {row.state for row in deliveries(site)} == {
        DeliveryState.DELIVERED,
        DeliveryState.PENDING,
    }


def test_a_quarantined_mail_does_not_silence_its_failure(site: Installation) -> None:
    at_once(site, 25)
    for _ in range(3):
        answer = report(site)
        started(site)
        free(site)
        last = lanes.claim(site, lane_of(site).id, processes.register(site, "worker"), 60)
        assert last is not None
        lanes.give_back(site, last)
    assert deliveries(site)[0].reason is EndReason.QUARANTINED

    assert reasons(site, report(site))[-1] == "immediate"
    assert failure(site, answer).told_delivery_id == deliveries(site)[-1].id


def test_a_failing_lane_makes_one_attempt_a_second(site: Installation) -> None:
    at_once(site, 9)
    post = Post(site)
    for number in range(10):
        report(site, errorCode=f"E{number}")
        post.serve()

    assert lane_of(site).round <= 3


def test_a_clock_that_was_set_back_makes_no_failing_lane_run_hot(site: Installation) -> None:
    at_once(site, 9)
    report(site)
    with site.store.writing() as connection:
        ahead = utc_now() + timedelta(days=365)
        connection.execute(update(Delivery).values(due_at=ahead))
    post = Post(site)

    post.serve()
    post.serve()

    assert lane_of(site).round == 1
    assert lane_work.with_work(site) == []


def test_a_verdict_forgives_the_leases_that_were_lost_before(site: Installation) -> None:
    at_once(site, 9)
    report(site)
    with site.store.writing() as connection:
        connection.execute(update(Delivery).values(lost_leases=2))

    Post(site).serve()

    assert deliveries(site)[0].lost_leases == 0


def test_a_late_verdict_changes_nothing_but_its_attempt(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site)
        lease, delivery_id, number = started(site)
        free(site)
        Post(site).serve()
        assert deliveries(site)[0].state is DeliveryState.DELIVERED

        late = ended(delivery_id, number, said(RecipientState.DEFERRED, 450))
        commit(site, Step(lease, ended=late))
        commit(site, Step(lease, ended=ended(delivery_id, number, refused())))

    assert deliveries(site)[0].state is DeliveryState.DELIVERED
    assert [row for row in rows(site, Failure) if row.error_type is ErrorType.OTHER] == []
    assert lane_of(site).state == "normal"
    assert invariants.check(site) == []


def test_a_late_success_makes_the_mail_delivered(site: Installation) -> None:
    at_once(site, 9)
    report(site)
    lease, delivery_id, number = started(site)
    free(site)
    other = lanes.claim(site, lane_of(site).id, processes.register(site, "worker"), 60)
    assert other is not None

    commit(site, Step(lease, ended=ended(delivery_id, number, said(RecipientState.ACCEPTED, 250))))

    assert deliveries(site)[0].state is DeliveryState.DELIVERED
    assert invariants.check(site) == []


def test_a_verdict_that_is_stored_twice_counts_once(site: Installation) -> None:
    at_once(site, 9)
    report(site)
    for _ in range(2):
        lease, delivery_id, number = started(site)
        step = Step(lease, ended=ended(delivery_id, number, refused()))
        commit(site, step)
        commit(site, step)
        lanes.give_back(site, lease)
        lanes.try_now(site, lane_of(site).id)

    assert lane_of(site).round == 2
    (other,) = [row for row in rows(site, Failure) if row.error_type is ErrorType.OTHER]
    assert other.count == 2
    assert invariants.check(site) == []


def test_what_was_cancelled_stays_cancelled(site: Installation) -> None:
    at_once(site, 9)
    report(site)
    unregister(site)
    with site.store.writing() as connection:
        outbox.reject(connection, deliveries(site)[0].id, "broken", utc_now())

    (delivery,) = deliveries(site)
    assert (delivery.state, delivery.reason) == (DeliveryState.CANCELLED, EndReason.UNREGISTERED)


def test_a_mail_that_was_refused_in_a_pass_waits_for_the_next_pass(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, sink.port, failureCount=1)
        sink.script.replies["DOT"] = "554 5.6.0 not this one"
        report(site)
        post = Post(site)
        post.run_pass()
        sweep.sweep(site)
        post.serve()

    (delivery,) = deliveries(site)
    assert (delivery.attempt_count, delivery.due_at) == (1, None)
    assert rows(site, Failure)[0].state is FailureState.OPEN


def test_a_mail_that_ends_each_connection_does_not_hold_its_lane_for_good(
    site: Installation,
) -> None:
    with Sink(Script(replies={"DOT": DROP})) as sink:
        at_once(site, sink.port)
        report(site, errorCode="A")
        report(site, errorCode="B")
        post = Post(site)
        post.serve()
        for _ in range(3):
            post.run_pass()

    assert [mail.attempt_count for mail in deliveries(site)] == [3, 1]


def test_what_was_under_way_when_a_worker_ended_is_sent_last_and_alone(
    site: Installation,
) -> None:
    with Sink() as sink:
        at_once(site, sink.port)
        for number in range(20):
            report(site, errorCode=f"E{number}")
        suspect = deliveries(site)[0].id
        with site.store.writing() as connection:
            mine = Delivery.__table__.update().where(Delivery.id == suspect)
            connection.execute(mine.values(lost_leases=1))
        Post(site).serve()

    assert len(sink.mails) == 20
    assert f"X-Tocsin-Delivery: {suspect}\r\n".encode() in sink.mails[-1].body
