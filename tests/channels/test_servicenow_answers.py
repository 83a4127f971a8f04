"""ServiceNow's answers and faults: what is for good, what is tried again, what is no instance."""

from __future__ import annotations

import base64
import json
import logging
import socket
from collections.abc import Iterator

import pytest

from app import clock
from app.channels.base import ChannelError
from app.channels.policy import AddressPolicy
from app.channels.servicenow import ServiceNowChannel
from app.domain.kinds import Fail
from app.secrets import Secret
from tests.channels.http_system import LOOPBACK
from tests.channels.service_system import checked, failure, notice, sent, session
from tests.channels.servicenow_system import CHANNEL, LOCAL, SECRETS, options, refused
from tests.channels.smtp_system import closed_port
from tests.servers import certificates
from tests.servers.doubles.servicenow import PASSWORD, TOKEN, USER, ServiceNow
from tests.servers.http_script import Hit, HttpSink, answer

CA = {"caPem": certificates.authority().pem}
NOT_FOUND = answer(200, b'{"result": []}')
OF_RECORD = {400, 403, 413, 415, 422}
FOREIGN = (
    b"",
    b"{}",
    b"[]",
    b'{"result": null}',
    b"<html>",
    b'{"result": ',
    b"\xff",
    b"[" * 60_000,
)


@pytest.fixture
def instance() -> Iterator[ServiceNow]:
    with ServiceNow() as made:
        yield made


@pytest.mark.parametrize("mode", ["Incident", "Event Management"])
def test_every_status_of_a_write_is_for_good_or_tried_again(mode: str) -> None:
    statuses = iter([101, *range(200, 600)])

    def by_turn(hit: Hit, client: socket.socket) -> bytes:
        if hit.line.startswith("GET"):
            return NOT_FOUND
        return answer(next(statuses), b'{"result": {"sys_id": "a1"}}')

    with HttpSink(by_turn) as sink:
        chosen = options(f"http://127.0.0.1:{sink.port}", mode=mode)
        with session(CHANNEL, chosen, SECRETS) as opened:
            for status in (101, *range(200, 600)):
                if status // 100 == 2 and status != 204:
                    assert opened.send(notice()).status == status
                    continue
                with pytest.raises(ChannelError) as caught:
                    opened.send(notice())
                error = checked(caught.value, SECRETS)
                assert error.status == status
                assert error.permanent is (status in (400, 403))
                assert error.endpoint is (status not in OF_RECORD)


def test_every_status_of_the_search_is_the_fault_of_the_instance() -> None:
    statuses = iter([101, *range(200, 600)])
    with HttpSink(lambda hit, client: answer(next(statuses), b"{}")) as sink:
        with session(CHANNEL, options(f"http://127.0.0.1:{sink.port}"), SECRETS) as opened:
            for status in (101, *range(200, 600)):
                with pytest.raises(ChannelError) as caught:
                    opened.send(notice())
                error = checked(caught.value, SECRETS)
                assert (error.status, error.endpoint, error.permanent) == (status, True, False)

    assert {hit.line.split()[0] for hit in sink.hits} == {"GET"}


@pytest.mark.parametrize("body", FOREIGN)
@pytest.mark.parametrize("to", ["GET", "POST"])
def test_a_2xx_without_a_result_is_a_failure_that_says_what_it_may_be(
    instance: ServiceNow, body: bytes, to: str
) -> None:
    instance.says(200, to=to, body=body)
    error = refused(instance)

    assert (error.reason, error.endpoint, error.permanent) == (Fail.OTHER, True, False)
    assert "hibernating" in error.advice
    assert ("a page in HTML" in str(error)) is (body == b"<html>")


@pytest.mark.parametrize("mode", ["Incident", "Event Management"])
def test_an_instance_that_hibernates_has_taken_nothing(instance: ServiceNow, mode: str) -> None:
    instance.hibernating = True
    error = refused(instance, mode=mode)

    assert "answered 200 with a page in HTML" in str(error)
    assert error.endpoint


def test_a_wrong_login_is_the_endpoints_and_a_mended_one_sends_what_waited(
    instance: ServiceNow,
) -> None:
    error = failure(CHANNEL, options(instance.url), {"password": Secret("wrong-one")}, notice())

    assert (error.reason, error.endpoint, error.permanent) == (Fail.AUTH_ERROR, True, False)
    assert "Password" in error.advice
    assert sent(CHANNEL, options(instance.url), SECRETS, notice()).status == 201


def test_a_record_that_a_policy_refuses_is_for_good_with_servicenows_own_words(
    instance: ServiceNow,
) -> None:
    body = b'{"error":{"message":"Operation Failed","detail":"Data Policy Exception"}}'
    instance.says(403, to="POST", body=body)
    error = refused(instance)

    assert (error.endpoint, error.permanent) == (False, True)
    assert "Data Policy Exception" in error.answer
    assert "data policy" in error.advice


def test_a_rate_limit_is_told_with_how_long_to_wait() -> None:
    with ServiceNow(limit=2) as instance:
        sent(CHANNEL, options(instance.url), SECRETS, notice())
        error = refused(instance)

    assert (error.reason, error.endpoint) == (Fail.RATE_LIMITED, True)
    assert 3_500 < (error.retry_after or 0) <= 3_601


def test_a_redirect_is_not_followed_and_takes_no_login_along(instance: ServiceNow) -> None:
    with HttpSink() as target:
        instance.says(302, Location=f"http://127.0.0.1:{target.port}/login.do")
        error = refused(instance)

    assert "Redirects are not followed" in error.advice
    assert target.connections == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_silence_ends_at_the_deadline_and_only_a_write_may_have_been_taken(method: str) -> None:
    def silent(hit: Hit, client: socket.socket) -> bytes | None:
        if hit.line.startswith(method):
            client.recv(1)
            return None
        return NOT_FOUND

    with HttpSink(silent) as sink:
        chosen = options(f"http://127.0.0.1:{sink.port}", timeout=1)
        error = failure(CHANNEL, chosen, SECRETS, notice())

    assert (error.reason, error.endpoint) == (Fail.TIMEOUT, True)
    assert error.maybe_sent is (method == "POST")
    assert ("may have been taken" in str(error)) is error.maybe_sent


def test_all_requests_of_an_attempt_have_one_time_out() -> None:
    def slow(hit: Hit, client: socket.socket) -> bytes:
        clock.sleep(0.7)
        return NOT_FOUND

    with HttpSink(slow) as sink:
        chosen = options(f"http://127.0.0.1:{sink.port}", timeout=1)
        error = failure(CHANNEL, chosen, SECRETS, notice())

    assert error.reason is Fail.TIMEOUT


def test_an_attempt_that_broke_after_its_record_was_made_makes_no_second_one() -> None:
    with ServiceNow() as instance:
        whole = instance.respond

        def broken(hit: Hit, client: socket.socket) -> bytes | None:
            said = whole(hit, client)
            return None if hit.line.startswith("POST") else said

        instance.server.script = broken
        error = refused(instance)
        receipt = sent(CHANNEL, options(instance.url), SECRETS, notice())

    assert (error.reason, error.maybe_sent) == (Fail.CONNECTION, True)
    assert receipt.answer == "200 OK: INC0010001 was open, and was updated"
    assert len(instance.incidents) == 1


def test_refused_unknown_and_guarded_addresses_are_told() -> None:
    def none(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    unknown = ServiceNowChannel(AddressPolicy(LOOPBACK), resolver=none)
    closed = ServiceNowChannel(AddressPolicy())
    errors = [
        failure(CHANNEL, options(f"http://127.0.0.1:{closed_port()}"), SECRETS, notice()),
        failure(unknown, options("dev12345"), SECRETS, notice()),
        failure(closed, options("http://127.0.0.1:1"), SECRETS, notice()),
    ]

    assert [one.reason for one in errors] == [Fail.CONNECTION, Fail.DNS, Fail.BLOCKED_ADDRESS]
    assert {one.endpoint for one in errors} == {True}
    assert str(errors[1]) == (
        "Could not resolve host dev12345.service-now.com. Check the spelling of Instance."
    )


def test_tls_is_verified_before_the_login_is_sent() -> None:
    with ServiceNow(context=certificates.right().server_context()) as instance:
        error = failure(LOCAL, options(instance.url), SECRETS, notice())
        assert (error.reason, instance.requests) == (Fail.TLS, [])
        assert sent(LOCAL, options(instance.url, **CA), SECRETS, notice()).status == 201


def test_no_secret_is_logged_shown_or_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    told = json.dumps({"error": [PASSWORD, pair, TOKEN]}).encode()
    token = {"token": Secret(TOKEN)}
    shown = []
    with ServiceNow() as instance:
        for status in (500, 200):
            instance.says(status, 2, body=told)
            shown += [refused(instance)]
            chosen = options(instance.url, authentication="Bearer")
            shown += [failure(CHANNEL, chosen, token, notice())]

    basic, bearer = shown[0], shown[1]
    assert (PASSWORD in basic.answer, pair in basic.answer) == (False, False)
    assert TOKEN not in bearer.answer
    for secret in (PASSWORD, pair):
        assert secret not in caplog.text
    assert "***" in basic.answer
