"""Events that are routed to a mail system: whom they reach, and what happens when they cannot."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import delete, update

from app.domain.kinds import DeliveryState, EndReason, ErrorType, FailureState, LaneState
from app.models import Event, Failure, System, Trace
from app.services import configuring, invariants, lane_work, outbox, replays, routes
from app.services.installation import Installation
from app.services.systems import SYSTEMS
from tests.servers.mailbox import Mail
from tests.servers.sink import Sink
from tests.services.event_makers import event_rows, take
from tests.services.makers import ACTOR, lane_of, put_system
from tests.services.spine import Post, deliveries, mail_server, registered, report, rows

TO, CC, BOUNCE = "oncall@corp.example", "boss@corp.example", "bounces@corp.example"


HOOK, BATCH = "http://127.0.0.1:9/", {"size": 10, "timeWindow": 60}
CELL = {"source": "metrics", "severity": "error", "systems": ["Mail"]}


def routed_to(site: Installation, port: int, **changes: Any) -> None:
    """Let errors of metrics go to the mail system at `port`."""
    options = {
        "server": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "authenticationRequired": False,
        "senderEmail": "tocsin@corp.example",
        "timeout": 3,
        "toEmail": TO,
    }
    put_system(site, options=options | changes)
    routes.replace(site, ACTOR, {"cells": [CELL]})


def change(site: Installation, **options: Any) -> None:
    """Save other options of the system."""
    configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"options": options})


def others(site: Installation) -> list[Any]:
    """Return the other errors."""
    return [row for row in rows(site, Failure) if row.error_type is ErrorType.OTHER]


def opened(mails: Sequence[Mail]) -> list[EmailMessage]:
    """Return mails as a mail program opens them."""
    return [email.message_from_bytes(mail.body, policy=email.policy.default) for mail in mails]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return " ".join(str(part.get_content()).split())


def closed_port() -> int:
    """Return a port where nobody listens."""
    with Sink() as sink:
        return sink.port


def test_an_event_of_a_cell_with_a_mail_system_goes_to_its_to_and_cc(site: Installation) -> None:
    with mail_server() as sink:
        routed_to(site, sink.port, ccEmail=f"{CC}, {TO}", bounceEmail=BOUNCE)
        take(site, {"node": "db-7", "trace": "DiskError: full\n  at write", "labels": {"a": "b"}})
        Post(site).serve()

    (mail,), (message,), (event,) = sink.mails, opened(sink.mails), event_rows(site)
    assert (mail.sender, mail.recipients) == (BOUNCE, (TO, CC))
    assert message["Subject"] == "[ERROR] Metrics: The disk is full · db-7"
    assert (message["To"], message["Cc"]) == (TO, CC)
    assert message["From"] == "Tocsin <tocsin@corp.example>"
    assert message["References"] is None
    told = text_of(message)
    assert "Trace DiskError: full at write" in told
    assert "Labels: a=b " in told
    assert f"/events/{event.id} " in told
    assert "/routing/ " in told
    (delivery,) = deliveries(site)
    assert f"Why this mail: {delivery.why_text}" in told
    assert (delivery.state, delivery.attempt_count) == (DeliveryState.DELIVERED, 1)
    assert message["Message-ID"] == delivery.message_id
    assert delivery.subject == message["Subject"]
    assert rows(site, Failure) == []
    assert invariants.check(site) == []


def test_without_a_bounce_address_the_sender_is_that_of_the_envelope(site: Installation) -> None:
    with mail_server() as sink:
        routed_to(site, sink.port)
        take(site)
        Post(site).serve()

    assert [mail.sender for mail in sink.mails] == ["tocsin@corp.example"]
    assert [mail.recipients for mail in sink.mails] == [(TO,)]


def test_the_mails_of_one_dedup_key_stand_in_one_thread(site: Installation) -> None:
    with mail_server() as sink:
        routed_to(site, sink.port)
        take(site, {"dedupKey": "disk"}, {"dedupKey": "disk", "status": "resolved"})
        take(site, {"dedupKey": "another"})
        Post(site).serve()

    found = sorted(opened(sink.mails), key=lambda one: int(one["X-Tocsin-Delivery"]))
    opening, over, other = (str(one["References"]) for one in found)
    assert opening == over != other
    assert len({one["Message-ID"] for one in found}) == 3
    assert str(found[1]["Subject"]).startswith("Resolved: ")


@pytest.mark.parametrize("again", [False, True])
def test_an_opening_that_goes_after_its_resolve_says_that_it_is_over(
    site: Installation, again: bool
) -> None:
    routed_to(site, closed_port())
    take(site, {"dedupKey": "disk"})
    post = Post(site)
    post.serve()
    later = [{"status": "resolved"}, {"title": "Again"}] if again else [{"status": "resolved"}]
    take(site, *({"dedupKey": "disk", "severity": "info"} | one for one in later))

    with mail_server() as sink:
        change(site, port=sink.port)
        post.run_pass()

    message, over = opened(sink.mails)
    assert str(over["Subject"]).startswith("Resolved: ")
    assert ("(resolved since)" in message["Subject"]) is not again
    assert ("Resolved since " in text_of(message)) is not again


def test_a_server_that_is_down_is_one_other_error_and_the_events_wait_for_the_pass(
    site: Installation,
) -> None:
    port = closed_port()
    routed_to(site, port)
    take(site, {}, {"title": "Another"}, {"title": "A third"})
    post = Post(site)

    post.serve()

    assert [row.state for row in deliveries(site)] == [DeliveryState.PENDING] * 3
    (other,) = others(site)
    assert (other.reason, other.count) == ("connection", 1)
    assert (other.integration_id, other.row) == (None, None)
    assert lane_of(site).state is LaneState.RETRYING
    assert lane_work.with_work(site) == []
    assert invariants.check(site) == []

    post.run_pass()
    assert others(site)[0].count == 2
    with Sink(port=port) as sink:
        post.run_pass()

    assert sorted(str(one["Subject"]) for one in opened(sink.mails)) == [
        "[ERROR] Metrics: A third",
        "[ERROR] Metrics: Another",
        "[ERROR] Metrics: The disk is full",
    ]
    assert {row.state for row in deliveries(site)} == {DeliveryState.DELIVERED}
    assert [row.state for row in others(site)] == [FailureState.RESOLVED]
    assert lane_of(site).state is LaneState.NORMAL
    assert invariants.check(site) == []


def test_a_mail_that_is_refused_waits_for_the_pass_with_its_message_id(site: Installation) -> None:
    with mail_server() as sink:
        routed_to(site, sink.port)
        sink.script.once["DOT"] = ["451 4.3.0 later"]
        take(site)
        post = Post(site)
        post.serve()

        (waits,) = deliveries(site)
        assert (waits.state, waits.due_at) == (DeliveryState.PENDING, None)
        assert [row.state for row in others(site)] == [FailureState.OPEN]
        post.run_pass()

    (message,) = opened(sink.mails)
    assert message["Message-ID"] == waits.message_id
    assert [row.state for row in others(site)] == [FailureState.RESOLVED]


def test_a_recipient_refused_for_good_is_named_and_the_others_get_the_mail(
    site: Installation,
) -> None:
    with mail_server() as sink:
        routed_to(site, sink.port, toEmail=f"gone@corp.example, {TO}")
        sink.script.recipients["gone@corp.example"] = "550 5.1.1 no such user"
        take(site)
        Post(site).serve()

    assert [mail.recipients for mail in sink.mails] == [(TO,)]
    (other,) = others(site)
    assert (other.entity_id, other.state) == ("gone@corp.example", FailureState.OPEN)
    assert deliveries(site)[0].state is DeliveryState.DELIVERED
    assert invariants.check(site) == []


def test_a_changed_to_email_id_readdresses_what_waits(site: Installation) -> None:
    routed_to(site, closed_port(), ccEmail=CC)
    take(site)
    post = Post(site)
    post.serve()

    with mail_server() as sink:
        new = {"toEmail": "new@corp.example", "ccEmail": "", "bounceEmail": BOUNCE}
        change(site, port=sink.port, **new)
        post.run_pass()

    (mail,), (message,) = sink.mails, opened(sink.mails)
    assert (mail.sender, mail.recipients) == (BOUNCE, ("new@corp.example",))
    assert (message["To"], message["Cc"]) == ("new@corp.example", None)
    assert invariants.check(site) == []


def test_a_system_without_a_to_email_id_rejects_the_mail_and_says_why(site: Installation) -> None:
    with mail_server() as sink:
        routed_to(site, sink.port, ccEmail=CC)
        take(site)
        stored = rows(site, System)[0].options
        # As an older version, or another hand, may have left it.
        with site.store.writing() as connection:
            connection.execute(update(System).values(options=stored | {"toEmail": ""}))
        Post(site).serve()

    assert sink.mails == []
    (delivery,) = deliveries(site)
    assert (delivery.state, delivery.reason) == (DeliveryState.DEAD, EndReason.REJECTED)
    (other,) = others(site)
    assert other.message == (
        "The system has no To Email-Id any more: the event could be told to nobody."
    )
    assert invariants.check(site) == []


def test_an_event_that_was_pruned_has_nothing_to_tell_any_more(site: Installation) -> None:
    with mail_server() as sink:
        routed_to(site, sink.port)
        take(site, {}, {"title": "It stays"})
        first = event_rows(site)[0].id
        with site.store.writing() as connection:
            connection.execute(delete(Event).where(Event.id == first))
        Post(site).serve()

    gone, stays = deliveries(site)
    assert (gone.state, gone.reason) == (DeliveryState.CANCELLED, EndReason.REMOVED)
    assert stays.state is DeliveryState.DELIVERED
    assert [one["Subject"] for one in opened(sink.mails)] == ["[ERROR] Metrics: It stays"]
    assert others(site) == []


@pytest.mark.parametrize(
    "damaged", ["", "no JSON", "[]", "{}", '{"title": 1, "source": "metrics"}', "null"]
)
def test_an_event_that_cannot_be_read_is_rejected_and_the_others_go(
    site: Installation, damaged: str
) -> None:
    with mail_server() as sink:
        routed_to(site, sink.port)
        take(site, {}, {"title": "It is well"})
        first = event_rows(site)[0].id
        with site.store.writing() as connection:
            connection.execute(update(Event).where(Event.id == first).values(document=damaged))
        Post(site).serve()

    bad, good = deliveries(site)
    assert (bad.state, bad.reason) == (DeliveryState.DEAD, EndReason.REJECTED)
    assert good.state is DeliveryState.DELIVERED
    assert (bad.attempt_count, len(sink.mails)) == (0, 1)


def test_a_trace_that_is_damaged_does_not_keep_the_mail(site: Installation) -> None:
    with mail_server() as sink:
        routed_to(site, sink.port)
        take(site, {"trace": "one\ntwo"})
        with site.store.writing() as connection:
            connection.execute(update(Trace).values(body=b"damaged"))
        Post(site).serve()

    (message,) = opened(sink.mails)
    assert "The trace (2 lines) is in Tocsin." in text_of(message)


def test_routed_mail_and_mail_of_a_registration_share_a_lane_and_do_not_mix(
    site: Installation,
) -> None:
    with mail_server() as sink:
        registered(site, sink.port, immediately=True)
        routed_to(site, sink.port)
        answer = report(site, errorCode="A")
        take(site)
        Post(site).serve()

    assert sorted(mail.recipients for mail in sink.mails) == [(TO,), ("ops@corp.example",)]
    (failure,) = rows(site, Failure)
    told, routed_one = deliveries(site)
    assert answer["failure"]["id"] == str(failure.id)
    assert failure.notified_delivery_id == told.id != routed_one.id
    assert invariants.check(site) == []


def test_a_batch_that_is_sent_again_by_mail_tells_all_of_its_events_in_one(
    site: Installation,
) -> None:
    with mail_server() as sink:
        put_system(site, "Sink", kind="webhook", options={"url": HOOK, "batchNotify": BATCH})
        routed_to(site, sink.port)
        routes.replace(site, ACTOR, {"cells": [{**CELL, "systems": ["Sink"]}]})
        warning = {"title": "Late", "status": "resolved"}
        take(site, warning, {"title": "Again", "trace": "E"}, {"severity": "critical"})
        (collected,) = deliveries(site)
        outbox.cancel(site, collected.id, ACTOR)
        replays.replay(site, collected.id, ACTOR, "Mail")
        Post(site).serve()

    (message,), (_, again) = opened(sink.mails), deliveries(site)
    assert message["Subject"] == "[CRITICAL] Metrics: The disk is full and 2 more events"
    told = text_of(message)
    assert told.index("[ERROR] Metrics: Again") < told.index("Resolved: Metrics: Late")
    assert f"/deliveries/{again.id} " in told
    assert "Why this mail: Sent again by a test." in told
    assert again.state is DeliveryState.DELIVERED
    assert invariants.check(site) == []
