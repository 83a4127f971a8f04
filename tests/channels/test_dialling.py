"""Dialling: resolve once, vet what was resolved, connect to just that, before the deadline."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from app import clock
from app.channels.base import ChannelError
from app.channels.dialling import Dialler, Resolver, look_up
from app.channels.policy import AddressPolicy
from app.domain.kinds import Fail
from tests.channels.smtp_system import closed_port
from tests.servers.sink import Sink


def dialler(resolver: Resolver = look_up, *, loopback: bool = True) -> Dialler:
    return Dialler(AddressPolicy(), "SMTP Server", loopback=loopback, resolver=resolver)


def failure(made: Dialler, host: str, port: int, seconds: float = 10) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        made.connect(host, port, clock.monotonic() + seconds)
    assert caught.value.endpoint
    assert caught.value.advice
    return caught.value


def test_a_name_is_resolved_once_and_its_vetted_address_is_the_one_connected_to() -> None:
    asked: list[str] = []

    def flipping(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with Sink() as sink:
        with dialler(flipping).connect("relay.test", sink.port, clock.monotonic() + 10) as made:
            assert made.getpeername() == ("127.0.0.1", sink.port)

    assert asked == ["relay.test"]


def test_of_several_addresses_the_refused_ones_are_left_out() -> None:
    made = dialler(lambda host, port: ["169.254.169.254", "127.0.0.1", "0.0.0.0"])  # noqa: S104

    assert made.vetted("relay.test", 25, clock.monotonic() + 10) == ["127.0.0.1"]


def test_the_next_address_is_tried_when_the_first_does_not_answer() -> None:
    with Sink() as sink:
        made = dialler(lambda host, port: ["127.0.0.2", "127.0.0.1"])
        with made.connect("relay.test", sink.port, clock.monotonic() + 10) as connected:
            assert connected.getpeername()[0] == "127.0.0.1"


def test_a_blocked_address_is_named_with_its_reason_and_the_setting() -> None:
    error = failure(dialler(lambda host, port: ["169.254.169.254"]), "relay.test", 25)

    assert error.reason is Fail.BLOCKED_ADDRESS
    assert str(error) == (
        "Tocsin does not connect to relay.test:25: 169.254.169.254 is the metadata service of a "
        "cloud. Check SMTP Server, or the setting TOCSIN_OUTBOUND_ALLOW."
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_loopback_in_any_spelling_is_refused_where_it_is_not_allowed(host: str) -> None:
    assert failure(dialler(loopback=False), host, 25).reason is Fail.BLOCKED_ADDRESS


def test_a_name_that_does_not_exist_asks_for_its_spelling() -> None:
    error = failure(dialler(), "mail.exmaple.invalid", 25)

    assert error.reason is Fail.DNS
    assert "Could not resolve host mail.exmaple.invalid" in str(error)


def test_an_unknown_name_and_a_silent_name_server_have_different_advice() -> None:
    def raising(code: int) -> Resolver:
        def resolve(host: str, port: int) -> list[str]:
            raise socket.gaierror(code, "no")

        return resolve

    unknown = failure(dialler(raising(socket.EAI_NONAME)), "relay.test", 25)
    silent = failure(dialler(raising(socket.EAI_AGAIN)), "relay.test", 25)

    assert str(unknown) == "Could not resolve host relay.test. Check the spelling of SMTP Server."
    assert "the name server did not answer" in str(silent)


def test_a_slow_name_server_is_given_up_at_the_deadline() -> None:
    answered = threading.Event()

    def slow(host: str, port: int) -> list[str]:
        answered.wait(30)
        return ["127.0.0.1"]

    before = clock.monotonic()
    error = failure(dialler(slow), "relay.test", 25, seconds=0.3)
    answered.set()

    assert error.reason is Fail.DNS
    assert clock.monotonic() - before < 10


def test_a_refused_connection_asks_for_server_and_port() -> None:
    port = closed_port()
    error = failure(dialler(), "127.0.0.1", port)

    assert error.reason is Fail.CONNECTION
    assert str(error) == (
        f"Connection refused by 127.0.0.1:{port}. Is the server running, and is the port right?"
    )


def test_a_host_that_never_answers_is_given_up_at_the_deadline() -> None:
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # once its queue is full, the kernel drops whoever knocks
            knocking = waiting.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(full.getsockname())
        before = clock.monotonic()
        error = failure(dialler(), "127.0.0.1", full.getsockname()[1], seconds=0.5)

    assert error.reason is Fail.TIMEOUT
    assert "could not be reached in time" in str(error)
    assert clock.monotonic() - before < 10
