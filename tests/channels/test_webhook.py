"""Webhook over real sockets: what is posted, signed, answered, and never followed."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from app import clock
from app.channels.base import ChannelError
from app.channels.webhook_fields import new_signing_secret
from app.channels.webhook_payload import payload
from app.domain.kinds import Fail
from app.secrets import Secret
from tests.channels.webhook_system import AT, hook, notice, options, part, post, refused
from tests.servers.certificates import authority, right, wrong_name
from tests.servers.http_sink import HttpSink, Manner, answer

OF_MESSAGE = {400, 413, 415, 422}


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """An endpoint on loopback."""
    with HttpSink() as made:
        yield made


def test_the_body_has_the_documented_shape_and_the_events_byte_for_byte(sink: HttpSink) -> None:
    event = part("Grüße \u2028 \u202e \"'<&>", labels={"a": "b"})
    post(sink.url, notice(event), attributes=[{"type": "Body", "key": "env", "value": "prod"}])

    (got,) = sink.requests
    assert event.document.encode() in got.body
    assert got.document == {
        "type": "event.firing",
        "timestamp": "2026-11-03T10:00:00Z",
        "subscriptionId": "12",
        "attributes": [{"key": "env", "value": "prod"}],
        "events": [event.facts],
    }
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == "msg_1"
    assert got.path == "/in?key=canary-query"


def test_variables_are_replaced_in_every_kind_of_attribute(sink: HttpSink) -> None:
    kinds = ("Header", "Query", "Body")
    told = "$eventId $source $severity $integration $subscriptionId $other"
    post(sink.url, attributes=[{"type": kind, "key": "X", "value": told} for kind in kinds])

    (got,) = sink.requests
    assert got.headers["x"] == "7 metrics error  12 $other"
    assert got.path.endswith("&X=7%20metrics%20error%20%2012%20%24other")
    assert got.document["attributes"] == [{"key": "X", "value": "7 metrics error  12 $other"}]


def test_a_variable_cannot_end_a_header(sink: HttpSink) -> None:
    event = part(integration="a\r\nX-Evil: 1\u00e9")
    post(
        sink.url,
        notice(event),
        attributes=[{"type": "Header", "key": "X", "value": "$integration"}],
    )

    assert sink.requests[0].headers["x"] == "a??X-Evil: 1\u00e9"
    assert "x-evil" not in sink.requests[0].headers


def test_the_vector_of_the_standard_is_signed_as_it_says() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)

    signed = Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_verifies_the_bytes_that_it_got_with_either_secret(sink: HttpSink) -> None:
    new, old = new_signing_secret().reveal(), new_signing_secret().reveal()
    secrets = {"signingSecret": new, "previousSigningSecret": old}
    post(sink.url, notice(part("Grüße")), secrets=secrets)

    (got,) = sink.requests
    for secret in (new, old):
        assert Webhook(secret).verify(got.body, got.headers)["type"] == "event.firing"
    assert len(got.headers["webhook-signature"].split(" ")) == 2
    assert new not in str(got.headers) and old not in str(got.headers)


def test_without_a_secret_nothing_is_signed(sink: HttpSink) -> None:
    post(sink.url)

    assert "webhook-signature" not in sink.requests[0].headers


@pytest.mark.parametrize("status", [101, *range(200, 600)])
def test_only_2xx_is_success_and_four_are_the_fault_of_the_message(
    sink: HttpSink, status: int
) -> None:
    sink.script = lambda _: answer(status, b"" if status in (204, 304) or status < 200 else b"no")
    if status // 100 == 2:
        assert post(sink.url).status == status
        return
    error = refused(sink.url)

    assert error.status == status
    assert error.endpoint is (status not in OF_MESSAGE)
    assert not error.permanent
    assert f"answered {status}" in str(error)


def test_a_redirect_is_not_followed(sink: HttpSink) -> None:
    with HttpSink() as target:
        for status in (301, 302, 303, 307, 308):
            sink.script = lambda _, status=status: answer(status, Location=target.url)  # type: ignore[misc]
            assert "Redirects are not followed" in str(refused(sink.url))

    assert target.connections == 0


def test_a_session_keeps_its_connection(sink: HttpSink) -> None:
    session = hook().connect(options(sink.url), {})
    for _ in range(100):
        session.send(notice())
    session.close()

    assert (sink.connections, len(sink.requests)) == (1, 100)


def test_a_connection_that_ended_meanwhile_is_replaced_and_nothing_sent_twice(
    sink: HttpSink,
) -> None:
    session = hook().connect(options(sink.url), {})
    session.send(notice(number=1))
    sink.down()
    sink.up()
    session.send(notice(number=2))
    session.close()

    assert [one.headers["webhook-id"] for one in sink.requests] == ["msg_1", "msg_2"]


def test_an_answer_that_closes_is_followed_by_a_new_connection(sink: HttpSink) -> None:
    sink.script = lambda _: Manner(answer(200, Connection="close"), then="close")
    session = hook().connect(options(sink.url), {})
    for _ in range(3):
        session.send(notice())
    session.close()

    assert (sink.connections, len(sink.requests)) == (3, 3)


def test_a_reset_after_the_request_is_a_failed_attempt_and_no_second_request(
    sink: HttpSink,
) -> None:
    sink.script = lambda got: 200 if len(sink.requests) == 1 else Manner(then="reset")
    session = hook().connect(options(sink.url), {})
    session.send(notice())
    with pytest.raises(ChannelError) as caught:
        session.send(notice(number=2))
    session.close()

    assert (caught.value.reason, caught.value.maybe_sent) == (Fail.CONNECTION, True)
    assert len(sink.requests) == 2


WHOLE = answer(200, b"x" * 100, X_More="y")


@pytest.mark.parametrize("point", [0, 4, 12, 17, 40, len(WHOLE) - 100])
@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_connection_that_ends_before_the_head_is_complete_is_no_success(
    sink: HttpSink, point: int, then: str
) -> None:
    sink.script = lambda _: Manner(WHOLE[:point], then=then)
    if point < WHOLE.index(b"\r\n\r\n"):
        assert refused(sink.url).endpoint
    else:
        # The status line says success, whatever becomes of the body.
        assert "not read in full" in post(sink.url).answer


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 9", b"HTTP/1.1 200 OK\r\nX: y\r\n"],
    ids=["status line", "headers"],
)
def test_a_head_that_drips_ends_at_the_deadline(sink: HttpSink, data: bytes) -> None:
    sink.script = lambda _: Manner(data, drip=0.2)
    began = clock.monotonic()
    error = refused(sink.url, timeout=1)

    assert error.reason is Fail.TIMEOUT
    assert clock.monotonic() - began < 3


def test_a_body_that_drips_is_left_after_five_seconds_and_was_a_success(sink: HttpSink) -> None:
    sink.script = lambda _: Manner(answer(200, b"x" * 1_000), drip=0.05)
    began = clock.monotonic()
    receipt = post(sink.url, timeout=30)

    assert receipt.status == 200
    assert "not read in full" in receipt.answer
    assert clock.monotonic() - began < 20


def test_a_silent_endpoint_is_left_at_the_deadline(sink: HttpSink) -> None:
    sink.script = lambda _: Manner(then="hang")
    error = refused(sink.url, timeout=1)

    assert (error.reason, error.maybe_sent) == (Fail.TIMEOUT, True)


@pytest.mark.parametrize("bomb", ["endless", "gzip"])
def test_a_body_without_end_or_bottom_costs_no_memory(sink: HttpSink, bomb: str) -> None:
    if bomb == "gzip":
        body = zlib.compress(bytes(200_000_000), 9, wbits=31)
        whole = answer(200, body, Content_Encoding="gzip")
        sink.script = lambda _: Manner(whole)
    else:
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        sink.script = lambda _: Manner(head, endless=b"x" * 65_536)
    tracemalloc.start()
    try:
        receipt = post(sink.url, timeout=30)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert receipt.status == 200
    assert sink.requests[0].headers["accept-encoding"] == "identity"
    # The sink runs in this process too: what it sends is counted as well.
    assert peak < 30_000_000


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-OpenSSH\r\n", b"\x00\xff\r\n\r\n", b"HTTP/1.1 two hundred\r\n\r\n", b"\r\n" * 9],
)
def test_what_is_no_http_is_told_so(sink: HttpSink, data: bytes) -> None:
    sink.script = lambda _: Manner(data, then="close")

    assert refused(sink.url).reason in (Fail.OTHER, Fail.CONNECTION)


@pytest.mark.parametrize(
    "head",
    [b"X: " + b"y" * 70_000, b"\r\n".join(b"X%d: y" % n for n in range(200))],
    ids=["a line too long", "too many"],
)
def test_headers_without_measure_are_refused(sink: HttpSink, head: bytes) -> None:
    sink.script = lambda _: Manner(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n", then="close")

    assert refused(sink.url).reason is Fail.OTHER


def _in(seconds: float) -> str:
    return format_datetime(clock.utc_now() + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("7", 7, 7), (" 7 ", 7, 7), ("0", 0, 0)],
)
def test_a_retry_after_in_seconds_is_heard(
    sink: HttpSink, value: str, low: float, high: float
) -> None:
    sink.script = lambda _: answer(503, Retry_After=value)

    assert low <= (refused(sink.url).retry_after or 0) <= high


def test_a_retry_after_as_a_date_is_heard(sink: HttpSink) -> None:
    sink.script = lambda _: answer(503, Retry_After=_in(90))

    assert 80 < (refused(sink.url).retry_after or 0) <= 90


@pytest.mark.parametrize(
    "value",
    [
        "-5",
        "1.5",
        "soon",
        "",
        "1e9",
        "٣",
        "9" * 40,
        "Tue, 99 Foo 2026 10:00:00 GMT",
        "0x10",
        "\xff",
    ],
)
def test_a_retry_after_that_says_nothing_is_ignored(sink: HttpSink, value: str) -> None:
    said = f"HTTP/1.1 503 No\r\nContent-Length: 0\r\nRetry-After: {value}\r\n\r\n"
    sink.script = lambda _: said.encode("utf-8")

    assert refused(sink.url).retry_after is None


def test_a_past_date_asks_for_nothing(sink: HttpSink) -> None:
    sink.script = lambda _: answer(503, Retry_After=_in(-90))

    assert refused(sink.url).retry_after is None


def test_traces_go_along_up_to_a_mebibyte_and_are_left_out_beyond_it() -> None:
    parts = [part(f"e{n}", trace="t" * 400_000) for n in range(4)]
    body = payload(options("http://x.example/"), notice(*parts))
    events = json.loads(body)["events"]

    assert len(body) <= 1024 * 1024
    assert ["trace" in event for event in events] == [True, True, False, False]
    assert [event.get("traceLeftOut") for event in events] == [None, None, True, True]


def test_an_unknown_ca_is_refused_and_a_private_one_is_taken() -> None:
    with HttpSink(tls=right("127.0.0.1").server_context()) as sink:
        error = refused(sink.url)
        assert error.reason is Fail.TLS
        assert sink.requests == []
        assert post(sink.url, caPem=authority().pem).status == 200
        assert post(sink.url, verifyTls=False).status == 200


def test_a_certificate_of_another_name_is_refused() -> None:
    with HttpSink(tls=wrong_name().server_context()) as sink:
        assert refused(sink.url, caPem=authority().pem).reason is Fail.TLS
        assert sink.requests == []


SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f.0.0.1", "0x7f000001", "0177.0.0.1",
    "017700000001", "localhost", "LOCALHOST.", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "0.0.0." + "0", "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "127.255.255.254",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_loopback_is_reached_unless_it_is_allowed(sink: HttpSink, host: str) -> None:
    error = refused(f"http://{host}:{sink.port}/", channel=hook(loopback=False), timeout=3)

    assert error.reason in (Fail.BLOCKED_ADDRESS, Fail.DNS, Fail.CONNECTION)
    assert sink.connections == 0


def test_a_name_that_resolves_to_something_else_the_second_time_gains_nothing(
    sink: HttpSink,
) -> None:
    asked: list[str] = []

    def flipping(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    post(f"http://hook.test:{sink.port}/", channel=hook(flipping))

    assert (asked, len(sink.requests)) == (["hook.test"], 1)


def test_a_name_that_is_unknown_or_slow_is_told_as_dns(sink: HttpSink) -> None:
    def slow(host: str, port: int) -> list[str]:
        clock.sleep(3)
        return ["127.0.0.1"]

    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    for resolver in (slow, unknown):
        error = refused("http://hook.test/", channel=hook(resolver), timeout=1)
        assert error.reason is Fail.DNS


def test_nothing_comes_from_the_environment(
    sink: HttpSink, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password canary-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    post(sink.url)

    assert "authorization" not in sink.requests[0].headers


def test_a_proxy_is_gone_through(sink: HttpSink) -> None:
    post("http://hooks.example/in?x=1", proxy=f"http://127.0.0.1:{sink.port}")

    assert sink.requests[0].path == "http://hooks.example/in?x=1"
    assert sink.requests[0].headers["host"] == "hooks.example"


def test_a_check_walks_and_sends_nothing(sink: HttpSink) -> None:
    steps = hook().check_connection(options(sink.url), {})

    assert {one.ok for one in steps} == {None, True}
    assert ("tcp", True) in [(one.name, one.ok) for one in steps]
    assert sink.requests == []


def test_a_check_names_the_first_thing_that_fails() -> None:
    with HttpSink() as gone:
        url = gone.url
    steps = hook().check_connection(options(url), {})

    (broken,) = [one for one in steps if one.ok is False]
    assert broken.name == "tcp"
    assert "refused" in broken.text


def test_the_line_of_a_request_names_no_query() -> None:
    line = hook().describe(options("https://hooks.example/in?key=canary"), notice())

    assert line == "POST https://hooks.example/in, webhook-id msg_1"


def test_the_same_message_has_the_same_id_and_another_time_each_attempt(sink: HttpSink) -> None:
    secret = {"signingSecret": Secret(new_signing_secret().reveal()).reveal()}
    for _ in range(2):
        post(sink.url, notice(number=9), secrets=secret)

    first, second = sink.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "msg_9"
    assert first.body == second.body
    assert int(first.headers["webhook-timestamp"]) >= AT.timestamp()
