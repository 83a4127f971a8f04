"""The web process over real connections: what it refuses, what it survives, how it stops."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.harness.product import free_port
from tests.workers.conftest import Launch
from tests.workers.helpers import Running
from workers.web import MAX_BODY

PATHS = (b"/short", b"/slow")


class Web:
    """A web process and the way to ask it."""

    def __init__(self, running: Running, port: int) -> None:
        self.running = running
        self.port = port

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """Open a connection to it."""
        opened = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            yield opened
        finally:
            opened.close()

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Return status and body of a GET."""
        with self.connection() as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture
def web(launch: Launch) -> Web:
    port = free_port()
    running = launch("-m", "tests.workers.web_server", str(port))
    running.says("listening")
    return Web(running, port)


def test_it_answers_with_the_scheme_it_was_given_and_without_its_name(web: Web) -> None:
    with web.connection() as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()

        assert answer.read().startswith(b"https -\n")
        assert "waitress" not in str(answer.headers)


def test_forwarded_headers_of_strangers_are_not_believed(web: Web) -> None:
    status, body = web.get("/", **{"X-Forwarded-For": "203.0.113.9"})

    assert status == 200
    assert body.startswith(b"https -\n")


def test_an_error_of_the_application_tells_nothing(web: Web) -> None:
    status, body = web.get("/broken")

    assert status == 500
    assert b"secret" not in body


def test_a_short_answer_does_not_wait_for_the_next_request_of_its_connection(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), 30) as connection:
        connection.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in PATHS))
        web.running.says("slow began")
        connection.settimeout(1.0)  # /slow takes longer
        assert connection.recv(65536).endswith(b"\r\n\r\nshort\n")


def test_head_and_body_of_a_short_answer_come_as_one(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), 30) as connection:
        for _ in range(20):
            connection.sendall(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).endswith(b"\r\n\r\nshort\n")


def test_a_body_that_is_far_too_large_is_refused_before_it_is_read(web: Web) -> None:
    with web.connection() as connection:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", str(MAX_BODY + 1))
        connection.endheaders()

        assert connection.getresponse().status == 413


def test_400_half_sent_requests_do_not_hold_up_another(web: Web) -> None:
    halves = []
    for number in range(400):
        half = socket.create_connection(("127.0.0.1", web.port))
        half.sendall(b"GET / HTTP/1.1\r\nHost: x" if number % 2 else POST_WITHOUT_BODY)
        halves.append(half)

    status, _ = web.get("/")

    assert status == 200
    for half in halves:
        half.close()


POST_WITHOUT_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"


def test_a_stop_finishes_the_requests_that_run(web: Web) -> None:
    answers: list[tuple[int, bytes]] = []
    asking = threading.Thread(target=lambda: answers.append(web.get("/slow")))
    asking.start()
    web.running.says("slow began")

    web.running.send(signal.SIGTERM)
    asking.join(30)

    assert web.running.ends() == 0
    assert [(status, len(body)) for status, body in answers] == [(200, 300_000 + len("https -\n"))]


def test_a_stop_does_not_wait_for_idle_or_half_sent_requests(web: Web) -> None:
    with web.connection() as idle, socket.create_connection(("127.0.0.1", web.port)) as half:
        idle.request("GET", "/")
        idle.getresponse().read()
        half.sendall(POST_WITHOUT_BODY)

        web.running.send(signal.SIGTERM)

        assert web.running.process.wait(8) == 0


def test_the_address_is_shared_within_a_server_but_not_between_two(
    web: Web, launch: Launch
) -> None:
    second = launch("-m", "tests.workers.web_server", str(web.port))

    assert second.ends() != 0
    assert "Address already in use" in second.output
