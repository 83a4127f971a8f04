"""Faults below HTTP: nobody there, silence, dripping, resets; each ends in time and is told."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

import pytest

from app import clock
from app.channels.base import ChannelError
from app.domain.kinds import Fail
from tests.channels.http_system import event, failure, notice, options, sent, session
from tests.channels.smtp_system import closed_port
from tests.servers.http_script import Hit, HttpSink, answer
from tests.servers.raw import raw

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Filler: yes\r\n\r\nok"
SECONDS = 1.0
GENEROUS = 12.0  # this machine is shared


def timed(work: Callable[[], ChannelError]) -> ChannelError:
    """Return the error of `work`, which must come in time."""
    before = clock.monotonic()
    error = work()
    assert clock.monotonic() - before < GENEROUS
    return error


def reset(client: socket.socket) -> None:
    """End a connection with RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_refused_connection_asks_for_server_and_port() -> None:
    error = failure(options(closed_port()))

    assert (error.reason, error.endpoint, error.maybe_sent) == (Fail.CONNECTION, True, False)
    assert "Connection refused by 127.0.0.1:" in str(error)


def test_a_host_that_never_answers_is_left_at_the_deadline() -> None:
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # once its queue is full, the kernel drops whoever knocks
            knocking = waiting.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        error = timed(lambda: failure(options(port, timeout=SECONDS)))

    assert (error.reason, error.maybe_sent) == (Fail.TIMEOUT, False)


def test_a_time_out_before_the_headers_may_have_been_sent() -> None:
    def silent(hit: Hit, client: socket.socket) -> None:
        client.recv(1)

    with HttpSink(silent) as sink:
        error = timed(lambda: failure(options(sink.port, timeout=SECONDS)))

    assert (error.reason, error.endpoint, error.maybe_sent) == (Fail.TIMEOUT, True, True)
    assert "did not answer in time" in str(error)


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\n", OK[:30]])
def test_a_dripping_head_ends_at_the_deadline(before: bytes) -> None:
    def drip(hit: Hit, client: socket.socket) -> None:
        client.sendall(before)
        while True:
            clock.sleep(0.1)
            client.sendall(b"2")

    with HttpSink(drip) as sink:
        error = timed(lambda: failure(options(sink.port, timeout=SECONDS)))

    assert (error.reason, error.maybe_sent) == (Fail.TIMEOUT, True)


@pytest.mark.parametrize("head", [b"Content-Length: 9999", b"X: y", b"Transfer-Encoding: chunked"])
def test_a_dripping_body_ends_at_the_deadline_and_the_2xx_counts(head: bytes) -> None:
    def drip(hit: Hit, client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        while True:
            clock.sleep(0.1)
            client.sendall(b"1\r\nx\r\n" if b"chunked" in head else b"x")

    before = clock.monotonic()
    with HttpSink(drip) as sink:
        receipt = sent(options(sink.port, timeout=SECONDS))

    assert receipt.status == 200
    assert "x (the answer was not read in full)" in receipt.answer
    assert clock.monotonic() - before < GENEROUS


def test_a_receiver_that_takes_nothing_is_left_at_the_deadline() -> None:
    def deaf(client: socket.socket, done: threading.Event) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        done.wait()

    large = notice(event(title="x" * 20_000_000))
    with raw(deaf) as server:
        error = timed(lambda: failure(options(server.port, timeout=SECONDS), large))

    assert (error.reason, error.maybe_sent) == (Fail.TIMEOUT, False)
    assert "did not take the request in time" in str(error)


@pytest.mark.parametrize("ending", [reset, socket.socket.close])
@pytest.mark.parametrize("after", [0, 5, 12, 16, 17, 30, len(OK) - 4])
def test_an_end_before_the_head_is_whole_is_a_failure_that_may_have_been_sent(
    after: int, ending: Callable[[socket.socket], None]
) -> None:
    def cut(hit: Hit, client: socket.socket) -> None:
        client.sendall(OK[:after])
        ending(client)

    with HttpSink(cut) as sink:
        error = failure(options(sink.port))

    assert (error.reason, error.endpoint, error.maybe_sent) == (Fail.CONNECTION, True, True)
    assert error.status == 0
    assert len(sink.hits) == 1
    assert "may have been taken" in str(error)


@pytest.mark.parametrize("ending", [reset, socket.socket.close])
def test_an_end_in_the_body_leaves_the_status(ending: Callable[[socket.socket], None]) -> None:
    def cut(hit: Hit, client: socket.socket) -> None:
        client.sendall(OK[:-1])
        clock.sleep(0.1)
        ending(client)

    with HttpSink(cut) as sink:
        receipt = sent(options(sink.port))

    assert receipt.answer == "200 OK: o (the answer was not read in full)"
    assert len(sink.hits) == 1


def test_a_reset_right_after_accepting_is_a_failure() -> None:
    with raw(lambda client, done: reset(client)) as server:
        error = failure(options(server.port))

    assert (error.reason, error.endpoint) == (Fail.CONNECTION, True)


def test_a_reset_after_half_of_the_request_was_not_sent() -> None:
    def half(client: socket.socket, done: threading.Event) -> None:
        client.recv(1000)
        reset(client)

    large = notice(event(title="x" * 20_000_000))
    with raw(half) as server:
        error = failure(options(server.port), large)

    assert (error.reason, error.maybe_sent) == (Fail.CONNECTION, False)


def test_an_early_answer_to_half_a_request_is_the_answer() -> None:
    def early(client: socket.socket, done: threading.Event) -> None:
        client.recv(1000)
        client.sendall(answer(413, b"too large", Connection="close"))
        client.shutdown(socket.SHUT_WR)
        done.wait(0.5)

    large = notice(event(title="x" * 20_000_000))
    with raw(early) as server:
        error = failure(options(server.port), large)

    assert (error.status, error.reason, error.endpoint) == (413, Fail.TOO_LARGE, False)


def test_no_error_shows_the_query_of_the_url() -> None:
    error = failure(options(closed_port(), "/hook?sig=canary"))
    with HttpSink(lambda hit, client: answer(404)) as sink:
        other = failure(options(sink.port, "/hook?sig=canary"))

    assert "canary" not in f"{error!r}{error}{other!r}{other}{other.answer}"
    assert f"http://127.0.0.1:{sink.port}/hook answered 404 Not Found." in str(other)


def test_a_session_goes_on_after_a_failure() -> None:
    statuses = iter([None, 500, None, 200])

    def script(hit: Hit, client: socket.socket) -> bytes | None:
        status = next(statuses)
        return answer(status) if status else None

    with HttpSink(script) as sink, session(options(sink.port)) as opened:
        for _ in range(3):
            with pytest.raises(ChannelError):
                opened.send(notice())
        assert opened.send(notice()).status == 200

    assert len(sink.hits) == 4
