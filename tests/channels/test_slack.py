"""Slack over real sockets: what counts as sent, what is final, what is tried again."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from app.channels.base import ChannelError
from app.channels.slack_answers import WORDS
from app.domain.kinds import Fail
from tests.channels.events import event, notice
from tests.channels.hook_system import SLACK, post, refused
from tests.servers.doubles.slack import Slack
from tests.servers.http_sink import HttpSink, Manner, answer

FINAL = {400, 403, 404, 410}


@pytest.fixture
def slack() -> Iterator[Slack]:
    """Slack, which lets nobody wait."""
    with Slack(paced=False) as made:
        yield made


def url(sink: HttpSink) -> str:
    return f"http://127.0.0.1:{sink.port}/services/T0/B0/canary-secret"


def test_a_message_is_posted_as_json_and_confirmed_with_ok(slack: Slack) -> None:
    (receipt,) = post(SLACK, slack.url)

    assert (receipt.status, receipt.answer, receipt.confirmed) == (200, "200 OK: ok", True)
    (request,) = slack.requests
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert [list(one) for one in slack.messages] == [["text", "blocks"]]


def test_one_connection_carries_many_messages(slack: Slack) -> None:
    post(SLACK, slack.url, *[notice(event(number)) for number in range(20)])

    assert len(slack.messages) == 20
    assert {request.connection for request in slack.requests} == {1}


def test_no_other_success_than_200_is_slacks(slack: Slack) -> None:
    for status in range(201, 300):
        slack.answer_next(1, status, b"" if status == 204 else b"ok")
        error = refused(SLACK, slack.url)

        assert (error.status, error.endpoint, error.permanent) == (status, True, False)
        assert error.maybe_sent


@pytest.mark.parametrize(
    "body", [b"", b"OK", b"ok.", b"okay", b"<html>Sign in</html>", b'{"ok":1}']
)
def test_a_200_that_says_something_else_is_a_failure_of_whoever_answers(body: bytes) -> None:
    with HttpSink(lambda _: answer(200, body)) as sink:
        error = refused(SLACK, url(sink))

    assert (error.reason, error.endpoint, error.permanent) == (Fail.OTHER, True, False)
    assert "not with ok" in str(error)


def test_an_ok_that_was_not_read_to_its_end_is_no_ok() -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
    with HttpSink(lambda _: Manner(cut, then="close")) as sink:
        assert refused(SLACK, url(sink)).maybe_sent


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_documented_word_is_final_and_concerns_this_message_alone(
    slack: Slack, status: int
) -> None:
    for word in WORDS:
        slack.answer_next(1, status, word.encode())
        error = refused(SLACK, slack.url)

        assert (error.status, error.permanent, error.endpoint) == (status, True, False)
        assert word in str(error)
        assert error.reason is (Fail.AUTH_ERROR if status == 403 else Fail.CLIENT_ERROR)


def test_every_word_that_the_specification_names_is_known() -> None:
    named = (
        "invalid_payload no_service no_active_hooks channel_is_archived channel_not_found "
        "action_prohibited posting_to_general_channel_denied"
    )

    assert set(named.split()) <= set(WORDS)


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("no_service", "Make a new incoming webhook in Slack"),
        ("channel_is_archived", "Unarchive it in Slack"),
        ("invalid_payload", "report it"),
        ("action_prohibited", "An admin of the Slack workspace"),
    ],
)
def test_the_advice_is_for_the_operator(slack: Slack, word: str, advice: str) -> None:
    slack.answer_next(1, 404, word.encode())

    assert advice in refused(SLACK, slack.url).advice


@pytest.mark.parametrize("status", [401, *sorted(FINAL), 405, 413, 429, 500, 503])
def test_what_slack_does_not_document_is_tried_again(slack: Slack, status: int) -> None:
    slack.answer_next(1, status, b"<html>no_service</html>")

    assert not refused(SLACK, slack.url).permanent


@pytest.mark.parametrize("status", [500, 502, 429])
def test_a_documented_word_with_a_status_that_passes_is_not_final(
    slack: Slack, status: int
) -> None:
    slack.answer_next(1, status, b"no_service")

    assert not refused(SLACK, slack.url).permanent


def test_who_is_too_fast_is_told_when_to_come_again() -> None:
    with Slack() as slack, pytest.raises(ChannelError) as caught:
        post(SLACK, slack.url, notice(), notice())

    error = caught.value
    assert (error.reason, error.endpoint, error.permanent) == (Fail.RATE_LIMITED, True, False)
    assert error.retry_after == 1
    assert len(slack.messages) == 1


def test_the_pace_is_that_of_slack() -> None:
    assert SLACK.pace == Slack.pace == ((1, 1.0),)


def test_a_webhook_that_was_revoked_is_told_as_such(slack: Slack) -> None:
    error = refused(SLACK, slack.url.replace("T0DOUBLE0", "TCANARY"))

    assert "it was revoked, or is misspelt (no_service)" in str(error)


def test_nothing_logs_or_repeats_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with HttpSink(lambda got: answer(500, f"{got.path} canary-secret".encode())) as sink:
        error = refused(SLACK, url(sink))

    assert "canary" not in caplog.text
    assert "/T0/" not in error.answer
    assert "***" in error.answer
    assert str(error).startswith(f"127.0.0.1:{sink.port} answered 500")
