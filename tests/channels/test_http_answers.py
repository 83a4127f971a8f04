"""HTTP answers: which status is a success, whose fault the others are, what is shown of them."""

from __future__ import annotations

import email.utils
import gzip
import resource
import socket
from datetime import timedelta
from typing import Any

import pytest

from app import clock
from app.channels.base import ChannelError
from app.domain.kinds import Fail
from tests.channels.http_system import event, failure, notice, options, sent, session
from tests.servers.http_script import Hit, HttpSink, answer

OF_MESSAGE = (400, 413, 415, 422)
REASONS = {
    401: Fail.AUTH_ERROR,
    403: Fail.AUTH_ERROR,
    407: Fail.AUTH_ERROR,
    408: Fail.TIMEOUT,
    413: Fail.TOO_LARGE,
    429: Fail.RATE_LIMITED,
}
BY_CLASS = {3: Fail.CLIENT_ERROR, 4: Fail.CLIENT_ERROR, 5: Fail.SERVER_ERROR}


def answering(data: bytes) -> HttpSink:
    return HttpSink(lambda hit, client: data)


def refused(data: bytes, **changes: Any) -> ChannelError:
    with answering(data) as sink:
        return failure(options(sink.port, **changes))


def test_every_2xx_is_a_success_and_every_other_final_status_an_error_with_its_reason() -> None:
    statuses = [101, *range(200, 600)]

    def by_path(hit: Hit, client: socket.socket) -> bytes:
        return answer(int(hit.line.split("status=")[1].split()[0]))

    query = [{"type": "Query", "key": "status", "value": "$eventId"}]
    with HttpSink(by_path) as sink, session(options(sink.port, attributes=query)) as opened:
        for status in statuses:
            message = notice(event(status))
            if 200 <= status < 300:
                assert opened.send(message).status == status
                continue
            with pytest.raises(ChannelError) as caught:
                opened.send(message)
            error = caught.value
            assert error.status == status
            assert str(status) in str(error)
            assert error.advice
            assert error.endpoint is (status not in OF_MESSAGE), status
            assert error.reason is REASONS.get(status, BY_CLASS.get(status // 100, Fail.OTHER))
            assert not error.permanent
            assert not error.maybe_sent


@pytest.mark.parametrize("status", [100, 102, 103, 150, 199])
def test_interim_answers_are_skipped_until_the_final_one(status: int) -> None:
    interim = f"HTTP/1.1 {status} Wait\r\nLink: </x>\r\n\r\n".encode()
    with answering(interim * 3 + answer(202, b"taken")) as sink, session(options(sink.port)) as one:
        assert [one.send(notice()).answer for _ in range(2)] == ["202 Accepted: taken"] * 2

    assert sink.connections == 1


def test_interim_answers_without_end_end_at_the_deadline_or_before() -> None:
    def endless(hit: Hit, client: socket.socket) -> None:
        while True:
            client.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)

    before = clock.monotonic()
    with HttpSink(endless) as sink:
        failure(options(sink.port, timeout=2))

    assert clock.monotonic() - before < 10


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_advice_says_so(status: int) -> None:
    with HttpSink() as target:
        location = f"http://127.0.0.1:{target.port}/next"
        error = refused(answer(status, Location=location))

    assert error.reason is Fail.CLIENT_ERROR
    assert "redirects are not followed: give the final url" in str(error).lower()
    assert target.connections == 0


def test_the_answer_is_kept_as_one_line_of_at_most_2_000_characters() -> None:
    with answering(answer(200, b"a\r\n\x00\x1b[31mb\xe2\x80\xa8c\xff" + b"x" * 5000)) as sink:
        receipt = sent(options(sink.port))

    assert receipt.answer.startswith("200 OK: a [31mb c�xxx")
    assert receipt.answer.isprintable()
    assert len(receipt.answer) <= 2_100


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("120", 120, 120),
        (" 7 ", 7, 7),
        ("0", 0, 0),
        ("999999999", 3_600, 999_999_999),
    ],
)
def test_a_retry_after_in_seconds_is_handed_on(header: str, least: float, most: float) -> None:
    error = refused(answer(429, Retry_After=header))

    assert error.retry_after is not None
    assert least <= error.retry_after <= most


def test_a_retry_after_as_a_date_is_handed_on_in_seconds_from_now() -> None:
    at = clock.utc_now() + timedelta(seconds=300)
    error = refused(answer(503, Retry_After=email.utils.format_datetime(at, usegmt=True)))

    assert error.retry_after is not None
    assert 280 < error.retry_after <= 300


@pytest.mark.parametrize(
    "header",
    [
        "-5",
        "1e999",
        "NaN",
        "soon",
        "",
        ",",
        "9" * 400,
        "٣",
        "Wed, 99 Feb 2026 99:99:99 GMT",
        "Wed, 01 Jan 0000 00:00:00 GMT",
        "Wed, 01 Jan 99999 00:00:00 GMT",
        "Mon, 01 Jan 2001 00:00:00 GMT",
        "Mon, 01 Jan 2001 00:00:00 +9999999",
        "é" * 20,
        "\x00",
        "1, 2",
    ],
)
def test_a_retry_after_that_cannot_be_used_is_left_out_and_never_raises(header: str) -> None:
    raw = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: " + header.encode() + b"\r\n\r\n"
    error = refused(raw)

    assert (error.status, error.retry_after) == (503, None)


def test_a_doubled_retry_after_never_raises() -> None:
    raw = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: 5\r\nRetry-After: x\r\n\r\n"

    assert refused(raw).retry_after in {None, 5.0}


def test_a_2xx_counts_though_its_body_is_cut_and_the_answer_says_so() -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    with HttpSink(lambda hit, client: client.sendall(cut)) as sink:
        receipt = sent(options(sink.port))

    assert receipt.status == 200
    assert receipt.answer == "200 OK: half (the answer was not read in full)"


@pytest.mark.parametrize("chunks", [b"5\r\nhel", b"zz\r\n", b"5\r\nhello\r\n", b"-5\r\nx", b""])
def test_a_2xx_counts_though_its_chunks_are_wrong(chunks: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with HttpSink(lambda hit, client: client.sendall(head + chunks)) as sink:
        receipt = sent(options(sink.port))

    assert receipt.status == 200
    assert "not read in full" in receipt.answer


def test_a_body_without_length_is_read_to_its_end() -> None:
    raw = b"HTTP/1.1 200 OK\r\n\r\nall of it"
    with HttpSink(lambda hit, client: client.sendall(raw)) as sink:
        assert sent(options(sink.port)).answer == "200 OK: all of it"


def test_an_endless_body_is_left_after_64_kib_and_the_connection_closed() -> None:
    def endless(hit: Hit, client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        while True:
            client.sendall(b"x" * 65_536)

    with HttpSink(endless) as sink, session(options(sink.port)) as opened:
        before = clock.monotonic()
        answers = [opened.send(notice()).answer for _ in range(2)]
        assert clock.monotonic() - before < 10

    assert all("not read in full" in one for one in answers)
    assert sink.connections == 2


def test_chunks_of_one_byte_or_a_trailer_without_end_are_left_as_well() -> None:
    def endless(hit: Hit, client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        while True:
            client.sendall(b"X: y\r\n" * 1000)

    before = clock.monotonic()
    with HttpSink(endless) as sink:
        assert sent(options(sink.port)).status == 200

    assert clock.monotonic() - before < 10


def test_a_compressed_answer_is_neither_asked_for_nor_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with answering(answer(200, bomb, Content_Encoding="gzip")) as sink:
        receipt = sent(options(sink.port))
        (hit,) = sink.hits

    assert receipt.status == 200
    assert hit.headers["accept-encoding"] == "identity"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before <= 10 * 1024


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 " + b"2" * 70_000,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_is_no_answer_or_too_long_is_an_error_of_the_endpoint(data: bytes) -> None:
    error = refused(data)

    assert (error.endpoint, error.status) == (True, 0)
    assert error.reason in {Fail.OTHER, Fail.CONNECTION}
    assert error.maybe_sent


def test_an_answer_that_repeats_secrets_is_shown_without_them() -> None:
    canary, signed = "canary-7f3a-text", "sig=canary%2Dquery"

    def echo(hit: Hit, client: socket.socket) -> bytes:
        said = f"{hit.line} {hit.headers} {canary}".encode()
        return answer(500, said)

    attributes = [
        {"type": "Header", "key": "Authorization", "value": f"Bearer {canary}"},
        {"type": "Query", "key": "token", "value": canary},
    ]
    with HttpSink(echo) as sink:
        error = failure(options(sink.port, f"/hook?{signed}", attributes=attributes))

    shown = f"{error} {error!r} {error.answer} {error.transcript}"
    assert "500" in shown
    assert f"Bearer {canary}" not in shown
    assert "canary%2Dquery" not in shown
    assert "token=canary" not in shown
