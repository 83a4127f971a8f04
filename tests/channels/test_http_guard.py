"""The guard of HTTP channels: where no connection goes; TLS, a proxy, and a check on the way."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from app import clock
from app.channels.base import CheckStep
from app.channels.dialling import Resolver
from app.channels.policy import AddressPolicy
from app.channels.webhook import WebhookChannel
from app.domain.kinds import Fail
from app.errors import Invalid
from tests.channels.http_system import CHANNEL, LOCAL, LOOPBACK, failure, notice, options, sent
from tests.channels.smtp_system import closed_port
from tests.servers import certificates
from tests.servers.certificates import Made
from tests.servers.http_script import Hit, HttpSink, answer
from tests.servers.raw import raw

CLOSED = WebhookChannel(AddressPolicy())
CA = {"caPem": certificates.authority().pem}
SPELLINGS = (  # the ways to write addresses that lead to this machine
    "127.0.0.1", "127.1", "127.000.000.001", "0x7f.1", "0x7f000001", "2130706433", "017700000001",
    "127.255.255.254", "localhost", "LOCALHOST.", "[::1]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "0", "[::]",  # noqa: S104 - refused
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]", "①②⑦.⓪.⓪.①", "%6c%6fcalhost", "[::1%25lo]", "169.254.169.254",
)  # fmt: skip
NAMES = {"127.0.0.1.nip.test": "127.0.0.1", "six.test": "::1", "mapped.test": "::ffff:127.0.0.1"}


def named(host: str, port: int) -> list[str]:
    return [NAMES[host]]


def reached(name: str, sink: HttpSink, channel: WebhookChannel, **changes: Any) -> Fail | None:
    """Return why nothing was sent to `name`, or None where something was."""
    try:
        chosen = options(sink.port, url=f"http://{name}:{sink.port}/", **changes)
    except Invalid:
        return Fail.BLOCKED_ADDRESS
    return failure(chosen, channel=channel).reason


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_spelling_of_loopback_is_reached_without_the_setting(name: str) -> None:
    with HttpSink() as sink:
        reason = reached(name, sink, CLOSED)

    assert reason in {Fail.BLOCKED_ADDRESS, Fail.DNS}
    assert sink.connections == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_name_that_leads_to_loopback_is_reached_without_the_setting(name: str) -> None:
    with HttpSink() as sink:
        reason = reached(name, sink, WebhookChannel(AddressPolicy(), resolver=named))

    assert reason is Fail.BLOCKED_ADDRESS
    assert sink.connections == 0


def test_a_proxy_is_vetted_and_is_not_asked_for_an_address_that_is_refused() -> None:
    with HttpSink() as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        unlisted = failure(options(1, url="http://hook.test/", proxy=url), channel=CLOSED)
        targets = ("169.254.169.254", "[fe80::1]", "0.0.0.0", "0xa9fea9fe")  # noqa: S104 - refused
        errors = [failure(options(1, url=f"http://{one}/", proxy=url)) for one in targets]

    assert {error.reason for error in (unlisted, *errors)} == {Fail.BLOCKED_ADDRESS}
    assert "Check Proxy, or the setting" in unlisted.advice
    assert proxy.connections == 0


def test_a_name_that_leads_elsewhere_the_second_time_is_connected_where_it_was_vetted() -> None:
    asked: list[str] = []

    def flipping(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with HttpSink() as sink:
        channel = WebhookChannel(AddressPolicy(LOOPBACK), resolver=flipping)
        sent(options(sink.port, url=f"http://hook.test:{sink.port}/"), channel=channel)

    assert (asked, len(sink.hits)) == (["hook.test"], 1)
    assert sink.hits[0].headers["host"] == f"hook.test:{sink.port}"


def test_a_name_that_does_not_exist_and_a_slow_name_server_are_told() -> None:
    answered = threading.Event()

    def slow(host: str, port: int) -> list[str]:
        answered.wait(30)
        return ["127.0.0.1"]

    def none(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    before = clock.monotonic()
    errors = [
        failure(options(80, url="http://hook.test/", timeout=1), channel=_with(resolver))
        for resolver in (slow, none)
    ]
    answered.set()

    assert {error.reason for error in errors} == {Fail.DNS}
    assert clock.monotonic() - before < 10
    assert str(errors[1]) == "Could not resolve host hook.test. Check the spelling of URL."


def _with(resolver: Resolver) -> WebhookChannel:
    return WebhookChannel(AddressPolicy(LOOPBACK), resolver=resolver)


def encrypted(sink: HttpSink, **changes: Any) -> Any:
    return options(sink.port, url=f"https://localhost:{sink.port}/hook", **changes)


def test_a_message_goes_out_encrypted_once_the_private_ca_is_known() -> None:
    with HttpSink(context=certificates.right().server_context()) as sink:
        unknown = failure(encrypted(sink), channel=LOCAL)
        assert (unknown.reason, sink.hits) == (Fail.TLS, [])
        assert sent(encrypted(sink, **CA), channel=LOCAL).status == 200

    assert "Add its CA under Private CA." in str(unknown)
    assert len(sink.hits) == 1


@pytest.mark.parametrize(
    "made", [certificates.wrong_name, certificates.expired, certificates.self_signed]
)
def test_a_wrong_certificate_ends_it_before_anything_is_sent(made: Callable[[], Made]) -> None:
    with HttpSink(context=made().server_context()) as sink:
        error = failure(encrypted(sink, **CA), channel=LOCAL)
        assert sent(encrypted(sink, verifyTls=False), channel=LOCAL).status == 200

    assert (error.reason, error.endpoint, error.maybe_sent) == (Fail.TLS, True, False)
    assert len(sink.hits) == 1


def test_a_port_without_tls_and_one_with_it_are_told_apart() -> None:
    def clear(client: socket.socket, done: threading.Event) -> None:
        client.recv(1000)
        client.sendall(answer(400))

    with raw(clear) as server:
        url = f"https://localhost:{server.port}/"
        error = failure(options(1, url=url), channel=LOCAL)
    with HttpSink(context=certificates.right().server_context()) as other:
        foreign = failure(options(other.port), channel=LOCAL)

    assert (error.reason, "does not speak TLS" in str(error)) == (Fail.TLS, True)
    assert foreign.reason in {Fail.OTHER, Fail.CONNECTION}


def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpSink() as proxy, HttpSink() as sink:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        sent(options(sink.port))

    assert (proxy.connections, len(sink.hits)) == (0, 1)
    assert "authorization" not in sink.hits[0].headers


def test_a_message_goes_through_the_proxy_of_its_system() -> None:
    with HttpSink() as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        assert sent(options(1, url="http://hook.test/x?y=1", proxy=url)).status == 200
    with HttpSink(lambda hit, client: answer(407)) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        error = failure(options(1, url="https://hook.test/x?y=1", proxy=url))

    assert error.reason is Fail.AUTH_ERROR
    assert proxy.hits[0].line == "CONNECT hook.test:443 HTTP/1.1"
    assert "y=1" not in str(error)


def test_https_goes_through_the_tunnel_of_a_proxy_and_checks_the_server() -> None:
    with HttpSink(context=certificates.right().server_context()) as sink:

        def tunnel(hit: Hit, client: socket.socket) -> None:
            with socket.create_connection(("127.0.0.1", sink.port)) as inner:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _pump(client, inner)

        with HttpSink(tunnel) as proxy:
            url = f"http://127.0.0.1:{proxy.port}"
            target = f"https://localhost:{sink.port}/hook"
            given = {"url": target, "proxy": url, **CA}
            assert sent(options(1, **given), channel=LOCAL).status == 200

    assert [hit.line for hit in sink.hits] == ["POST /hook HTTP/1.1"]


def _pump(one: socket.socket, other: socket.socket) -> None:
    def copy(source: socket.socket, drain: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                drain.sendall(data)
        with contextlib.suppress(OSError):
            drain.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join(5)


def checked(chosen: Any, channel: WebhookChannel = LOCAL) -> dict[str, CheckStep]:
    return {step.name: step for step in channel.check_connection(chosen, {})}


def test_a_check_goes_through_all_steps_and_sends_nothing() -> None:
    with HttpSink(context=certificates.right().server_context()) as sink:
        steps = checked(encrypted(sink, **CA))

    assert list(steps) == ["dns", "address", "tcp", "tls"]
    assert {step.ok for step in steps.values()} == {True}
    assert steps["dns"].text == "localhost is 127.0.0.1."
    assert steps["tls"].text.startswith("TLS 1.3, certificate of CN=localhost, ")
    assert sink.hits == []


def test_a_check_says_at_which_step_it_ends() -> None:
    refused = checked(options(closed_port()), CHANNEL)
    blocked = checked(options(80), CLOSED)
    with HttpSink(context=certificates.right().server_context()) as sink:
        unknown = checked(encrypted(sink))

    assert [step.ok for step in refused.values()] == [None, True, False, None]
    assert [step.ok for step in blocked.values()] == [None, False, None, None]
    assert [step.ok for step in unknown.values()] == [True, True, True, False]
    assert refused["tcp"].fix
    assert blocked["address"].fix == "Check URL, or the setting TOCSIN_OUTBOUND_ALLOW."


def test_a_check_of_clear_text_asks_for_https() -> None:
    with HttpSink() as sink:
        steps = checked(options(sink.port))

    assert (steps["tls"].ok, "https://" in str(steps["tls"].fix)) == (None, True)
    assert notice().id not in str(steps)
