"""Microsoft Teams over real sockets: started is accepted and no more; what is final, what not."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from app.channels.base import ChannelError
from app.domain.kinds import Fail
from tests.channels.events import event, notice
from tests.channels.hook_system import TEAMS, post, refused
from tests.servers.doubles.teams import PATH, QUERY, Teams
from tests.servers.http_sink import HttpSink, answer

FINAL = {400, 401, 403, 404, 410}
OLD = b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error %d"


@pytest.fixture
def teams() -> Iterator[Teams]:
    """A workflow that lets nobody wait."""
    with Teams(paced=False) as made:
        yield made


def test_a_flow_that_was_started_is_accepted_and_not_confirmed(teams: Teams) -> None:
    (receipt,) = post(TEAMS, teams.url)

    assert (receipt.status, receipt.confirmed) == (202, False)
    assert receipt.answer == "202 Accepted: accepted, not confirmed"
    assert (len(teams.messages), teams.lost) == (1, [])


def test_the_url_is_used_as_it_was_typed(teams: Teams) -> None:
    post(TEAMS, teams.url)

    (request,) = teams.requests
    assert request.path == f"{PATH}?{QUERY}"
    assert request.headers["content-type"] == "application/json; charset=utf-8"


def test_no_character_of_a_long_url_is_encoded_anew() -> None:
    query = "a=%2b+%7E~!*'();:@&=$,/?[]|{}^`%&sig=" + "aB-_%2F" * 250
    with HttpSink(lambda _: answer(202, b"")) as sink:
        post(TEAMS, f"http://127.0.0.1:{sink.port}/x//y/../z;v=1?{query}")
        (request,) = sink.requests

    assert request.path == f"/x//y/../z;v=1?{query}"


@pytest.mark.parametrize("status", [200, 202])
def test_both_answers_of_a_flow_mean_that_it_was_started(teams: Teams, status: int) -> None:
    teams.answer_next(1, status, b"run 7")
    (receipt,) = post(TEAMS, teams.url)

    assert (receipt.status, receipt.confirmed) == (status, False)
    assert receipt.answer.endswith(": accepted, not confirmed (run 7)")


def test_no_other_success_is_that_of_a_flow(teams: Teams) -> None:
    for status in {*range(200, 300)} - {200, 202}:
        teams.answer_next(1, status, b"")
        error = refused(TEAMS, teams.url)

        assert (error.status, error.endpoint, error.permanent) == (status, True, False)
        assert error.maybe_sent


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (OLD % 413, Fail.TOO_LARGE),
        (OLD % 429, Fail.RATE_LIMITED),
        (OLD % 502, Fail.SERVER_ERROR),
        (b"Delivery failed", Fail.SERVER_ERROR),
        (b'{"error": "message DELIVERY FAILED"}', Fail.SERVER_ERROR),
    ],
)
def test_a_success_that_says_that_the_delivery_failed_is_a_failure(
    teams: Teams, status: int, body: bytes, reason: Fail
) -> None:
    teams.answer_next(1, status, body)
    error = refused(TEAMS, teams.url)

    assert (error.reason, error.endpoint) == (reason, reason is not Fail.TOO_LARGE)
    assert not error.permanent
    assert "the delivery failed" in str(error)


def test_wrong_signature_deleted_flow_and_bad_message_are_final_and_nothing_else(
    teams: Teams,
) -> None:
    for status in range(300, 600):
        teams.answer_next(1, status, b"" if status == 304 else b"no")
        error = refused(TEAMS, teams.url)

        assert error.permanent is (status in FINAL), status
        assert error.endpoint is (status not in FINAL | {413, 415, 422}), status


def test_a_wrong_signature_asks_for_the_whole_url(teams: Teams) -> None:
    error = refused(TEAMS, teams.url.replace("sig=", "sig=canary"))

    assert (error.reason, error.permanent) == (Fail.AUTH_ERROR, True)
    assert "The signature (sig) in the Workflow URL is wrong or has expired" in error.advice


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_flow_that_is_off_asks_to_switch_it_on(teams: Teams, status: int) -> None:
    code = {"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "state 'Disabled'"}}
    teams.answer_next(1, status, json.dumps(code).encode())
    error = refused(TEAMS, teams.url)

    assert error.permanent
    assert "Switch it on in Power Automate" in error.advice


def test_a_flow_that_was_deleted_asks_for_a_new_one(teams: Teams) -> None:
    error = refused(TEAMS, teams.url.replace("/workflows/0double0", "/workflows/canary"))

    assert (error.status, error.permanent) == (404, True)
    assert "create a new one" in error.advice


def test_who_is_too_fast_is_told_when_to_come_again() -> None:
    with Teams() as teams, pytest.raises(ChannelError) as caught:
        post(TEAMS, teams.url, *[notice()] * 5)

    error = caught.value
    assert (error.reason, error.endpoint, error.retry_after) == (Fail.RATE_LIMITED, True, 1)
    assert len(teams.messages) == 4


def test_the_pace_is_that_of_the_workflows() -> None:
    assert TEAMS.pace == Teams.pace == ((4, 1.0), (60, 30.0))


def test_one_connection_carries_many_messages(teams: Teams) -> None:
    post(TEAMS, teams.url, *[notice(event(number)) for number in range(20)])

    assert len(teams.messages) == 20
    assert {request.connection for request in teams.requests} == {1}


def test_nothing_logs_or_repeats_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with HttpSink(lambda got: answer(500, got.path.encode())) as sink:
        url = f"http://127.0.0.1:{sink.port}/workflows/canary1/triggers/manual?sig=canary%2Bsig"
        error = refused(TEAMS, url)

    assert "canary" not in caplog.text
    assert "***" in error.answer
