"""One connection is kept for many messages; what was sent in full is never sent again by itself."""

from __future__ import annotations

import socket

import pytest

from app import clock
from app.channels.base import ChannelError
from app.domain.kinds import Fail
from tests.channels.http_system import notice, options, session
from tests.servers.http_script import Hit, HttpSink, answer


def test_a_hundred_messages_go_over_one_connection() -> None:
    with HttpSink() as sink, session(options(sink.port)) as opened:
        for number in range(100):
            opened.send(notice(id=f"msg_{number}"))

    assert sink.connections == 1
    assert [hit.headers["webhook-id"] for hit in sink.hits] == [f"msg_{at}" for at in range(100)]


@pytest.mark.parametrize("close", [b"Connection: close\r\n", b""])
def test_a_connection_that_was_closed_between_messages_is_opened_again(close: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + close + b"\r\nok"

    def once(hit: Hit, client: socket.socket) -> None:
        client.sendall(head)

    with HttpSink(once) as sink, session(options(sink.port)) as opened:
        for _ in range(5):
            assert opened.send(notice()).status == 200
            clock.sleep(0.05)

    assert (len(sink.hits), sink.connections) == (5, 5)


def test_a_goodbye_that_nobody_asked_for_is_not_taken_for_the_next_answer() -> None:
    def twice(hit: Hit, client: socket.socket) -> bytes:
        return answer(200, b"ok") + answer(500, b"not yours")

    with HttpSink(twice) as sink, session(options(sink.port)) as opened:
        assert [opened.send(notice()).status for _ in range(3)] == [200, 200, 200]

    assert sink.connections == 3


def test_a_request_that_went_out_whole_is_not_sent_again_when_a_kept_connection_ends() -> None:
    answers = iter([answer(200, b"ok"), None])

    with HttpSink(lambda hit, client: next(answers)) as sink:
        with session(options(sink.port)) as opened:
            opened.send(notice())
            with pytest.raises(ChannelError) as caught:
                opened.send(notice())

    assert (caught.value.reason, caught.value.maybe_sent) == (Fail.CONNECTION, True)
    assert (len(sink.hits), sink.connections) == (2, 1)


def test_an_http_1_0_server_gets_a_connection_for_each_message() -> None:
    def old(hit: Hit, client: socket.socket) -> None:
        client.sendall(b"HTTP/1.0 200 OK\r\n\r\nok")

    with HttpSink(old) as sink, session(options(sink.port)) as opened:
        assert [opened.send(notice()).answer for _ in range(3)] == ["200 OK: ok"] * 3

    assert sink.connections == 3


def test_closing_twice_and_before_anything_was_sent_is_fine() -> None:
    with HttpSink() as sink, session(options(sink.port)) as opened:
        opened.close()
        opened.send(notice())
        opened.close()
        opened.close()

    assert len(sink.hits) == 1
