"""PagerDuty over a double of its Events API v2: alerts open and resolve; answers and faults."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from app.channels.base import ChannelError
from app.channels.notice import TEST
from app.channels.pagerduty import PagerDutyChannel
from app.channels.policy import AddressPolicy
from app.domain.kinds import Fail
from app.errors import Invalid
from app.secrets import Secret
from app.shapes import parse
from tests.channels.http_system import AT, LOOPBACK
from tests.channels.service_system import (
    HOSTILE,
    LINK,
    checked,
    event,
    failure,
    notice,
    resolved,
    sent,
    session,
)
from tests.channels.smtp_system import closed_port
from tests.servers import certificates
from tests.servers.doubles.pagerduty import KEY, MOST_BODY, PagerDuty
from tests.servers.http_script import Hit, HttpSink, answer

CHANNEL = PagerDutyChannel(AddressPolicy(LOOPBACK))
LOCAL = PagerDutyChannel(AddressPolicy(LOOPBACK), resolver=lambda host, port: ["127.0.0.1"])
SECRETS = {"routingKey": Secret(KEY)}
CA = {"caPem": certificates.authority().pem}


@pytest.fixture
def service() -> Iterator[PagerDuty]:
    with PagerDuty() as made:
        yield made


def options(url: str, **changes: Any) -> Any:
    return parse(PagerDutyChannel.options, {"url": url, "timeout": 20, **changes}, "/options")


def tell(service: PagerDuty, *messages: Any) -> None:
    with session(CHANNEL, options(service.url), SECRETS) as opened:
        for message in messages:
            opened.send(message)


def refused(service: PagerDuty, message: Any = None, **changes: Any) -> ChannelError:
    return failure(CHANNEL, options(service.url, **changes), SECRETS, message or notice())


def test_an_event_opens_an_alert_in_the_documented_shape(service: PagerDuty) -> None:
    tell(service, notice(event(integration="crm", trace="Traceback …")))

    (body,) = service.accepted
    assert body == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "tocsin-7",
        "payload": {
            "summary": "Snapshot failed",
            "source": "db-3.example.org",
            "severity": "error",
            "timestamp": "2026-11-03T10:30:00Z",
            "component": "crm",
            "group": "backups",
            "custom_details": {
                "id": "7",
                "description": "The snapshot of node 3 was not written.",
                "status": "firing",
                "severityReceived": "error",
                "source": "backups",
                "node": "db-3.example.org",
                "integration": "crm",
                "labels": {"cluster": "main"},
                "link": "https://wiki.example.org/snapshots",
                "count": 1,
                "occurredAt": "2026-11-03T10:30:00Z",
                "receivedAt": "2026-11-03T10:30:01Z",
                "tocsin": LINK,
                "trace": "Traceback …",
            },
        },
        "links": [{"href": LINK, "text": "Open in Tocsin"}],
        "client": "Tocsin",
        "client_url": LINK,
    }


def test_202_is_accepted_and_never_confirmed(service: PagerDuty) -> None:
    receipt = sent(CHANNEL, options(service.url), SECRETS, notice())

    assert (receipt.status, receipt.confirmed) == (202, False)
    assert receipt.answer.startswith('202 Accepted: {"status": "success"')


def test_an_event_that_resolves_closes_the_alert_of_its_key(service: PagerDuty) -> None:
    tell(service, notice(event(7, dedupKey="disk db-3")), resolved(8, dedupKey="disk db-3"))

    assert [body["event_action"] for body in service.accepted] == ["trigger", "resolve"]
    assert not service.alerts["disk db-3"].open
    assert service.dropped == []


def test_every_attempt_has_the_same_key_and_makes_one_alert(service: PagerDuty) -> None:
    service.says(503, 2)
    with session(CHANNEL, options(service.url), SECRETS) as opened:
        for _ in range(2):
            with pytest.raises(ChannelError):
                opened.send(notice())
        opened.send(notice())
        opened.send(notice())

    assert list(service.alerts) == ["tocsin-7"]
    assert len({hit.document["dedup_key"] for hit in service.server.hits}) == 1


@pytest.mark.parametrize("key", ["k" * 255, "k" * 256, "ü" * 300, "k" * 10_000])
def test_a_key_that_is_too_long_is_cut_and_stays_distinct(service: PagerDuty, key: str) -> None:
    tell(service, notice(event(dedupKey=key)), notice(event(dedupKey=f"{key}x")))
    tell(service, resolved(dedupKey=key))

    assert len(service.alerts) == 2
    assert {len(one) <= 255 for one in service.alerts} == {True}
    assert [alert.open for alert in service.alerts.values()] == [False, True]


@pytest.mark.parametrize(
    ("severity", "received", "expected"),
    [
        ("error", "critical", "critical"),
        ("error", "error", "error"),
        ("warning", "warning", "warning"),
        ("info", "info", "info"),
        ("odd", None, "error"),
    ],
)
def test_critical_is_known_by_what_was_received(
    service: PagerDuty, severity: str, received: str | None, expected: str
) -> None:
    tell(service, notice(event(severity=severity, severityReceived=received)))

    assert service.accepted[0]["payload"]["severity"] == expected


def test_a_test_is_a_trigger_of_its_own_and_nothing_follows_it(service: PagerDuty) -> None:
    critical = event(dedupKey="disk", severityReceived="critical")
    tell(service, notice(critical, type=TEST, id="msg_test_1"))

    (body,) = service.accepted
    assert (body["event_action"], body["payload"]["severity"]) == ("trigger", "info")
    assert body["dedup_key"] == "tocsin-test-msg_test_1"


def test_of_several_events_the_newest_is_told_and_how_many_more(service: PagerDuty) -> None:
    message = notice(event(1, title="a"), event(2, title="b"), event(3, title="c"))
    ended = notice(event(1, title="a"), event(2, title="b", status="resolved"))
    tell(service, message, ended)

    several, mixed = service.accepted
    assert several["payload"]["summary"] == "c (and 2 more events)"
    assert several["payload"]["custom_details"]["others"] == ["a", "b"]
    assert several["dedup_key"] == "tocsin-3"
    assert (mixed["payload"]["summary"], mixed["dedup_key"]) == ("a (and 1 more event)", "tocsin-1")


def test_a_summary_that_is_too_long_is_cut_and_keeps_the_link(service: PagerDuty) -> None:
    tell(service, notice(event(title="x" * 1_024)), notice(event(title="x" * 1_025)))

    whole, cut = (body["payload"]["summary"] for body in service.accepted)
    assert whole == "x" * 1_024
    assert len(cut) == 1_024
    assert cut.endswith(f"x… {LINK}")


def test_a_trace_goes_along_up_to_512_kb_and_beyond_it_a_note_and_the_link(
    service: PagerDuty,
) -> None:
    for size in (1_000, 500_000, 1_000_000):
        tell(service, notice(event(trace="t" * size)))
    tell(service, notice(event(trace='"' * 300_000)), notice(event(description="ü" * 600_000)))

    details = [body["payload"]["custom_details"] for body in service.accepted]
    assert [len(one.get("trace", "")) for one in details] == [1_000, 500_000, 0, 0, 0]
    assert all(set(one) == {"note", "link"} for one in details[2:])
    assert {one["link"] for one in details[2:]} == {LINK}
    assert all(len(hit.body) <= 512_000 <= MOST_BODY for hit in service.server.hits)


def test_hostile_text_arrives_as_it_is(service: PagerDuty) -> None:
    tell(service, notice(event(title=HOSTILE, dedupKey=HOSTILE, trace=HOSTILE)))

    (body,) = service.accepted
    assert body["payload"]["summary"] == HOSTILE
    assert body["payload"]["custom_details"]["trace"] == HOSTILE
    assert body["dedup_key"] == HOSTILE
    assert "\n" not in CHANNEL.describe(options(service.url), notice(event(dedupKey=HOSTILE)))


def test_a_lone_surrogate_is_replaced_and_does_no_harm(service: PagerDuty) -> None:
    part = event()
    broken = type(part)("7", part.document.replace("Snapshot", "\\ud800"))
    tell(service, notice(broken))

    assert service.accepted[0]["payload"]["summary"] == "? failed"


def test_a_wrong_key_is_refused_for_good_with_what_to_do() -> None:
    other = {"routingKey": Secret("f" * 32)}
    with PagerDuty() as service:
        error = failure(CHANNEL, options(service.url), other, notice())

    assert (error.reason, error.endpoint, error.permanent) == (Fail.AUTH_ERROR, False, True)
    assert "does not take the Integration Key" in str(error)
    assert "Region" in error.advice
    assert "Invalid routing key" in error.answer


def test_a_bad_event_is_refused_for_good_with_pagerdutys_own_words(service: PagerDuty) -> None:
    service.says(400, body=b'{"errors":["\'summary\' is too long"],"status":"invalid event"}')
    error = refused(service)

    assert (error.reason, error.endpoint, error.permanent) == (Fail.CLIENT_ERROR, False, True)
    assert "'summary' is too long" in error.answer


def test_the_rate_limit_is_told_with_its_retry_after(service: PagerDuty) -> None:
    service.limit = 2
    tell(service, notice(), notice())
    own = refused(service)
    service.says(429, Retry_After=77)
    asked = refused(service)

    assert (own.reason, own.endpoint, own.permanent) == (Fail.RATE_LIMITED, True, False)
    assert (own.retry_after, asked.retry_after) == (None, 77.0)


def test_every_status_is_a_receipt_an_error_for_good_or_one_that_is_tried_again() -> None:
    def by_title(hit: Hit, client: socket.socket) -> bytes:
        return answer(int(hit.document["payload"]["summary"]))

    with HttpSink(by_title) as sink:
        chosen = options(f"http://127.0.0.1:{sink.port}/")
        with session(CHANNEL, chosen, SECRETS) as opened:
            for status in (101, *range(200, 600)):
                message = notice(event(title=str(status)))
                if status // 100 == 2:
                    assert opened.send(message).status == status
                    continue
                with pytest.raises(ChannelError) as caught:
                    opened.send(message)
                error = checked(caught.value, SECRETS)
                assert error.status == status
                assert error.permanent is (status in (400, 413))
                assert error.endpoint is (status not in (400, 413, 415, 422))


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_interim_answers_are_not_the_answer(status: int) -> None:
    interim = f"HTTP/1.1 {status} Wait\r\n\r\n".encode()
    with HttpSink(lambda hit, client: interim + answer(202)) as sink:
        chosen = options(f"http://127.0.0.1:{sink.port}/")
        assert sent(CHANNEL, chosen, SECRETS, notice()).status == 202


def test_a_redirect_is_not_followed(service: PagerDuty) -> None:
    with HttpSink() as target:
        service.says(307, Location=f"http://127.0.0.1:{target.port}/")
        error = refused(service)

    assert "Redirects are not followed" in error.advice
    assert target.connections == 0


def test_a_silent_service_is_left_at_the_deadline_and_may_have_taken_it() -> None:
    def silent(hit: Hit, client: socket.socket) -> None:
        client.recv(1)

    with HttpSink(silent) as sink:
        chosen = options(f"http://127.0.0.1:{sink.port}/", timeout=1)
        error = failure(CHANNEL, chosen, SECRETS, notice())

    assert (error.reason, error.endpoint, error.maybe_sent) == (Fail.TIMEOUT, True, True)


def test_refused_unknown_and_guarded_addresses_are_told() -> None:
    def none(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    unknown = PagerDutyChannel(AddressPolicy(LOOPBACK), resolver=none)
    errors = [
        failure(CHANNEL, options(f"http://127.0.0.1:{closed_port()}/"), SECRETS, notice()),
        failure(unknown, parse(CHANNEL.options, {}), SECRETS, notice()),
        failure(
            PagerDutyChannel(AddressPolicy()), options("http://127.0.0.1:1/"), SECRETS, notice()
        ),
    ]

    assert [one.reason for one in errors] == [Fail.CONNECTION, Fail.DNS, Fail.BLOCKED_ADDRESS]
    assert {one.endpoint for one in errors} == {True}
    assert "events.pagerduty.com" in str(errors[1])


def test_tls_is_verified_and_a_private_ca_is_taken() -> None:
    with PagerDuty(context=certificates.right().server_context()) as service:
        error = failure(LOCAL, options(service.url), SECRETS, notice())
        assert (error.reason, service.accepted) == (Fail.TLS, [])
        assert sent(LOCAL, options(service.url, **CA), SECRETS, notice()).status == 202


def test_no_secret_is_logged_shown_or_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = json.dumps({"errors": [f"key {KEY} is odd"]}).encode()
    with PagerDuty() as service:
        service.says(400, body=told)
        chosen = options(f"{service.url}?gate=canary-gate")
        error = failure(CHANNEL, chosen, SECRETS, notice())
        service.says(202, body=told)
        receipt = sent(CHANNEL, chosen, SECRETS, notice())

    shown = caplog.text + str(error) + error.answer + repr(receipt) + repr(SECRETS)
    assert "canary" not in shown + CHANNEL.describe(chosen, notice())
    assert KEY not in shown
    assert "***" in error.answer


def test_the_regions_have_their_own_addresses() -> None:
    lines = [
        CHANNEL.describe(parse(CHANNEL.options, {"region": one}), notice())
        for one in "US EU".split()
    ]

    assert lines == [
        "POST https://events.pagerduty.com/v2/enqueue, trigger, dedup_key tocsin-7",
        "POST https://events.eu.pagerduty.com/v2/enqueue, trigger, dedup_key tocsin-7",
    ]


def test_a_key_has_32_characters_and_is_required() -> None:
    for wrong in ("short", "x" * 33, "é" * 32, f"{'x' * 31} x"):
        with pytest.raises(Invalid) as caught:
            parse(CHANNEL.secrets, {"routingKey": wrong}, "/secrets")
        assert wrong not in str(caught.value)
    with pytest.raises(Invalid):
        CHANNEL.check(parse(CHANNEL.options, {}), {})
    given = parse(PagerDutyChannel.secrets, {"routingKey": f" {KEY} "})
    assert dict(given)["routing_key"].reveal() == KEY


def test_a_check_sends_nothing_and_the_pace_is_that_of_a_key(service: PagerDuty) -> None:
    steps = CHANNEL.check_connection(options(service.url), SECRETS)

    assert [step.ok for step in steps] == [None, True, True, None]
    assert service.server.hits == []
    assert CHANNEL.pace == ((120, 60.0),)
    assert CHANNEL.longest(options(service.url, timeout=7.5)) == 7.5


def test_a_moment_that_is_missing_is_that_of_the_notice(service: PagerDuty) -> None:
    tell(service, notice(event(occurredAt=None)))

    assert service.accepted[0]["payload"]["timestamp"] == AT.isoformat()
