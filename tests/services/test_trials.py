"""Tests of a form: one attempt through the queue, and no trace of it elsewhere (product.md 5)."""

from __future__ import annotations

import email
from typing import Any

import pytest
from sqlalchemy import update

from app.clock import utc_now
from app.errors import Forbidden, Invalid, NotFound
from app.models import Attempt, Delivery, DeliveryRecipient, Failure, Lane, Process
from app.services import invariants, preferences, trial
from app.services.deliver import trial_rows, trials
from app.services.installation import Installation
from app.services.reading import deliveries as reading
from app.services.registration_shape import RegistrationBody
from app.services.systems import SystemBody
from app.shapes import parse
from tests.servers.sink import Sink
from tests.services.makers import put_integration, put_system
from tests.services.spine import Post, deliveries, mail_server, registered, rows

SECRET = "hunter2-of-the-tests"


def system(port: int, **options: Any) -> SystemBody:
    """Return a draft of a mail system at `port`."""
    made = {
        "server": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "authenticationRequired": False,
        "senderEmail": "tocsin@corp.example",
        "toEmail": "admin@corp.example",
        "timeout": 2,
    }
    return parse(SystemBody, {"kind": "smtp", "options": made | options})


def registration(**forward: Any) -> RegistrationBody:
    """Return a draft of a registration at the system Mail."""
    told = {"recipients": ["draft@corp.example"], **forward}
    return parse(RegistrationBody, {"system": "Mail", "forward": told})


def run(site: Installation) -> Any:
    """Send what was asked for and return the last delivery as it is read."""
    trials.run(site, Post(site).process_id)
    return reading.one(site, deliveries(site)[-1].id)


def test_a_test_goes_to_the_recipients_of_both_directions_without_cc(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, sink.port)
        other = {"recipients": ["b@corp.example", "Draft@corp.example"], "cc": ["c@corp.example"]}
        draft = parse(
            RegistrationBody,
            {
                "system": "Mail",
                "sameForBackward": False,
                "forward": {
                    "recipients": ["draft@corp.example"],
                    "cc": ["c@corp.example"],
                    "subjectPrefix": "[plant]",
                },
                "backward": other,
            },
        )
        trial.of_registration(site, "jira", "ada", draft)
        told = run(site)

    (mail,) = sink.mails
    assert sorted(mail.recipients) == ["b@corp.example", "draft@corp.example"]
    parsed = email.message_from_bytes(mail.body)
    assert str(parsed["Subject"]).startswith("[plant] ")
    assert parsed["Cc"] is None
    assert (told.state, told.reason, told.lane) == ("delivered", None, None)
    assert "2 of 2 recipients accepted" in told.attempts[0].answer
    assert "RCPT TO" in told.attempts[0].transcript
    assert invariants.check(site) == []


def test_an_unsaved_draft_changes_nothing_that_is_saved(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, 25)
        trial.of_system(site, "Mail", "ada", system(sink.port), may_lend=True)
        run(site)
        registered_before = rows(site, Lane)

    assert [list(mail.recipients) for mail in sink.mails] == [["admin@corp.example"]]
    assert [lane.state for lane in registered_before] == ["normal"]
    assert rows(site, Failure) == []


def test_a_system_that_was_never_saved_can_be_tested(site: Installation) -> None:
    with mail_server() as sink:
        trial.of_system(site, "New", "ada", system(sink.port), may_lend=True)
        told = run(site)

    assert (told.state, told.system) == ("delivered", None)
    assert len(sink.mails) == 1


def test_a_test_that_fails_is_dead_at_once_with_its_cause(site: Installation) -> None:
    with Sink() as sink:
        port = sink.port
    registered(site, 25)
    trial.of_system(site, "Mail", "ada", system(port), may_lend=True)
    told = run(site)
    again = run(site)

    assert (told.state, told.reason) == ("dead", "test")
    assert told.attempts[0].reason == "connection"
    assert again.attempt_count == 1
    assert rows(site, Failure) == []
    assert [lane.state for lane in rows(site, Lane)] == ["normal"]
    assert [person.state for person in told.recipients] == ["pending"]
    assert invariants.check(site) == []


def test_a_draft_lies_sealed_on_its_delivery_until_its_verdict(site: Installation) -> None:
    with mail_server() as sink:
        body = system(
            sink.port, authenticationRequired=True, allowAuthWithoutTls=True, username="ada"
        )
        body = parse(
            SystemBody,
            body.model_dump(by_alias=True, mode="json", exclude={"secrets", "health"})
            | {"secrets": {"password": SECRET}},
        )
        trial.of_system(site, "New", "ada", body, may_lend=True)
        (waiting,) = deliveries(site)
        assert waiting.draft
        assert SECRET not in waiting.draft
        told = run(site)

    assert deliveries(site)[0].draft is None
    assert SECRET not in str(told.model_dump())
    assert SECRET not in str(rows(site, Delivery))


def test_what_a_draft_lacks_is_refused_by_name(site: Installation) -> None:
    registered(site, 25)
    with pytest.raises(Invalid, match="toEmail"):
        trial.of_system(site, "Mail", "ada", None, may_lend=True)
    with pytest.raises(NotFound):
        trial.of_system(site, "None", "ada", None, may_lend=True)
    with pytest.raises(NotFound):
        trial.of_registration(site, "none", "ada", registration())
    put_integration(site, "fresh")
    with pytest.raises(NotFound):
        trial.of_registration(site, "fresh", "ada", None)
    draft = registration().model_copy(update={"system": "None"})
    with pytest.raises(Invalid, match="/system"):
        trial.of_registration(site, "fresh", "ada", draft)
    assert deliveries(site) == []


def test_an_integration_that_is_not_registered_yet_can_be_tested(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, sink.port)
        put_integration(site, "fresh")
        trial.of_registration(site, "fresh", "ada", registration())
        assert run(site).state == "delivered"


def test_a_saved_password_goes_nowhere_else_by_the_hand_of_an_operator(
    site: Installation,
) -> None:
    options = {
        "server": "mail.corp.example",
        "senderEmail": "tocsin@corp.example",
        "toEmail": "admin@corp.example",
    }
    put_system(site, options=options, secrets={"password": SECRET})
    draft = parse(SystemBody, {"kind": "smtp", "options": {**options, "server": "evil.example"}})
    with pytest.raises(Forbidden):
        trial.of_system(site, "Mail", "eve", draft, may_lend=False)
    assert deliveries(site) == []


def test_a_test_whose_worker_died_ends_as_unknown_and_is_not_sent_again(
    site: Installation,
) -> None:
    registered(site, 25)
    trial.of_registration(site, "jira", "ada", None)
    post = Post(site)
    taken = trial_rows.begin(site, post.process_id)
    assert taken is not None
    with site.store.writing() as connection:
        # as if that process had started at another time: it is gone
        connection.execute(update(Process).values(started="1"))

    trial_rows.end_lost(site)
    trials.run(site, post.process_id)

    (mail,) = deliveries(site)
    assert (mail.state, mail.reason, mail.draft) == ("dead", "test", None)
    with site.store.reading() as connection:
        verdicts = connection.execute(Attempt.__table__.select()).all()
        people = connection.execute(DeliveryRecipient.__table__.select()).all()
    assert [row.verdict for row in verdicts] == ["unknown"]
    assert [row.state for row in people] == ["pending"]
    assert invariants.check(site) == []


def test_a_late_verdict_does_not_change_a_test_that_was_ended(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, sink.port)
        trial.of_registration(site, "jira", "ada", None)
        post = Post(site)
        taken = trial_rows.begin(site, post.process_id)
        assert taken is not None
        ended = trials.attempt(site, taken)
        with site.store.writing() as connection:
            trial_rows.end_unknown(connection, [taken.id], utc_now())
        trial_rows.end(site, taken, ended)

    (mail,) = deliveries(site)
    assert (mail.state, mail.reason) == ("dead", "test")


def test_a_test_is_sent_while_all_other_sending_is_paused(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, sink.port)
        preferences.patch(site, "ada", {"paused": True})
        trial.of_registration(site, "jira", "ada", None)
        assert run(site).state == "delivered"
