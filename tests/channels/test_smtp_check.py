"""Checking a mail server: every step says what it found, and the one that fails what to do."""

from __future__ import annotations

import base64
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest

from app import clock
from app.channels.base import CheckStep
from app.channels.policy import AddressPolicy
from app.channels.smtp import SmtpChannel
from tests.channels.smtp_system import CHANNEL, PASSWORD, SENDER, closed_port, options, secrets
from tests.servers import certificates
from tests.servers.certificates import Made
from tests.servers.relay import Relay
from tests.servers.sink import DROP, Script, Sink

LOCAL = SmtpChannel(AddressPolicy(), resolver=lambda host, port: ["127.0.0.1"])
CLEAR: dict[str, Any] = {"authenticationRequired": True, "allowAuthWithoutTls": True}
KINDS = pytest.mark.parametrize("encryption", ["starttls", "tls"])


def checked(port: int, *, channel: SmtpChannel = LOCAL, **changes: Any) -> dict[str, CheckStep]:
    """Return the steps by name; every check has all of them."""
    steps = channel.check_connection(options(port, **changes), secrets())
    found = {step.name: step for step in steps}
    assert set(found) == {"dns", "tcp", "tls", "ehlo", "auth", "size"}
    return found


def failed(steps: dict[str, CheckStep]) -> CheckStep:
    """Return the one step that failed; after it nothing was reached, before it all is well."""
    (place,) = [place for place, step in enumerate(steps.values()) if step.ok is False]
    after = list(steps.values())[place + 1 :]
    assert {(step.ok, step.text) for step in after} <= {(None, "Not reached.")}
    step = list(steps.values())[place]
    assert step.fix, step
    return step


@KINDS
def test_a_good_server_is_described_step_by_step(encryption: str) -> None:
    context = certificates.right().server_context()
    ca = certificates.authority().pem
    login: dict[str, Any] = {"authenticationRequired": True, "server": "localhost", "caPem": ca}
    with Relay(context, implicit=encryption == "tls", login=(SENDER, PASSWORD)) as server:
        steps = checked(server.port, encryption=encryption, **login)

    first = ["dns", "tcp", "tls", "ehlo"] if encryption == "tls" else ["dns", "tcp", "ehlo", "tls"]
    assert list(steps) == [*first, "auth", "size"]
    assert {step.ok for step in steps.values()} == {True}
    assert steps["dns"].text == "localhost is 127.0.0.1."
    assert steps["tcp"].text == f"Connected to 127.0.0.1 on port {server.port}."
    assert steps["tls"].text.startswith("TLS 1.3, certificate of CN=localhost, ")
    assert "issued by CN=Tocsin Test CA, valid until 20" in steps["tls"].text
    assert "renewed" in (steps["tls"].fix or "")  # it ends tomorrow
    assert "relay.test greets with '220 relay.test" in steps["ehlo"].text
    assert steps["auth"].text.startswith(f"Logged in as {SENDER} by PLAIN; the server offers ")
    assert steps["size"].text == "The server accepts mails up to 32 MB."
    assert server.mails == []
    assert len(server.logins) == 1


def test_what_is_not_asked_for_is_neither_well_nor_wrong() -> None:
    with Sink(Script(extensions=["STARTTLS", "AUTH PLAIN"])) as sink:
        steps = checked(sink.port)

    assert {step.ok for step in steps.values()} == {True, None}
    assert steps["dns"].ok is None
    assert (steps["tls"].ok, steps["tls"].text) == (None, "Not encrypted.")
    assert "STARTTLS" in (steps["tls"].fix or "")
    assert steps["auth"].text == "No login is used; the server offers PLAIN."
    assert steps["size"].text == "The server does not say how large a mail may be."
    assert sink.box.verbs == ["EHLO", "QUIT"]


@pytest.mark.parametrize(
    ("size", "text", "warns"),
    [
        (26_214_400, "up to 25 MB.", False),
        (10_240_000, "up to 9.8 MB.", False),
        (500_000, "up to 500,000 bytes.", True),
        (100, "up to 100 bytes.", True),
    ],
)
def test_a_limit_below_a_mail_with_its_trace_is_well_and_warned_of(
    size: int, text: str, warns: bool
) -> None:
    with Sink(Script(size=size)) as sink:
        step = checked(sink.port)["size"]

    assert (step.ok, bool(step.fix)) == (True, warns)
    assert step.text == f"The server accepts mails {text}"


@pytest.mark.parametrize("said", ["SIZE 0", "SIZE", "SIZE many", "SIZE " + "9" * 5000])
def test_a_size_without_a_limit_is_no_limit(said: str) -> None:
    with Sink(Script(extensions=[said])) as sink:
        assert checked(sink.port)["size"].ok is not False


def test_an_unknown_host_is_found_by_the_first_step() -> None:
    step = failed(checked(25, channel=CHANNEL, server="mail.exmaple.invalid"))

    assert step.name == "dns"
    assert step.text.startswith("Could not resolve host mail.exmaple.invalid")
    assert step.text.endswith(".")


def test_the_address_guard_holds_for_a_check_too() -> None:
    step = failed(checked(25, channel=CHANNEL, server="169.254.169.254"))

    assert (step.name, step.text) == (
        "dns",
        "Tocsin does not connect to 169.254.169.254:25: 169.254.169.254 is the metadata service "
        "of a cloud.",
    )
    assert step.fix == "Check SMTP Server, or the setting TOCSIN_OUTBOUND_ALLOW."


def test_a_refused_port_asks_for_server_and_port() -> None:
    port = closed_port()
    step = failed(checked(port))

    assert (step.name, step.text) == ("tcp", f"Connection refused by 127.0.0.1:{port}.")
    assert step.fix == "Is the server running, and is the port right?"


def test_a_host_that_never_answers_ends_the_check_at_its_time_out() -> None:
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            knocking = waiting.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(full.getsockname())
        step = failed(checked(full.getsockname()[1], timeout=1))

    assert (step.name, step.fix) == ("tcp", "Is the port right, or a firewall in between?")
    assert 900 <= step.duration_ms < 10_000


@pytest.mark.parametrize(
    ("script", "fix"),
    [
        (Script(black_hole=True), "Does this port expect TLS from the start?"),
        (Script(drip=0.2), "Does this port expect TLS from the start?"),
        (Script(replies={"CONNECT": DROP}), "Does this port expect TLS from the start?"),
        (Script(replies={"CONNECT": "SSH-2.0-x"}), "Check SMTP Port and Encrypted Connection."),
        (
            Script(replies={"CONNECT": "554 5.7.1 Go away"}),
            "Ask who runs that server whether this machine may use it.",
        ),
        (
            Script(replies={"EHLO": "450 Later"}),
            "Try again later, or see the log of that server.",
        ),
        (Script(replies={"EHLO": DROP}), "The log of that server says why."),
    ],
    ids=["silent", "dripping", "drop", "not SMTP", "refused", "EHLO 450", "EHLO drop"],
)
def test_a_server_that_does_not_greet_is_explained(script: Script, fix: str) -> None:
    with Sink(script) as sink:
        before = clock.monotonic()
        step = failed(checked(sink.port, timeout=1))

    assert (step.name, step.fix) == ("ehlo", fix)
    assert f"127.0.0.1:{sink.port}" in step.text
    assert clock.monotonic() - before < 10


def test_starttls_that_is_not_offered_sends_no_login() -> None:
    with Sink(Script(extensions=["AUTH PLAIN"])) as sink:
        step = failed(checked(sink.port, encryption="starttls", authenticationRequired=True))

    assert step.name == "tls"
    assert f"does not offer STARTTLS on port {sink.port}" in step.text
    assert step.fix == "Choose another port, or TLS."
    assert sink.box.verbs == ["EHLO", "QUIT"]


@KINDS
@pytest.mark.parametrize(
    ("made", "text", "fix"),
    [
        (certificates.wrong_name, "is for other.example, not localhost", "Give the name"),
        (certificates.expired, "has expired", "Renew it on that server."),
        (certificates.self_signed, "is self-signed", "Add it under Private CA."),
    ],
)
def test_a_wrong_certificate_says_what_to_do_before_any_login(
    made: Callable[[], Made], text: str, fix: str, encryption: str
) -> None:
    login: dict[str, Any] = {"authenticationRequired": True, "server": "localhost"}
    ca = certificates.authority().pem
    context = made().server_context()
    with Relay(context, implicit=encryption == "tls", login=(SENDER, PASSWORD)) as server:
        step = failed(checked(server.port, encryption=encryption, caPem=ca, **login))

    assert step.name == "tls"
    assert text in step.text
    assert fix in (step.fix or "")
    assert server.logins == []


def test_a_certificate_that_is_not_verified_is_well_and_warned_of() -> None:
    with Relay(certificates.expired("other.example").server_context()) as server:
        step = checked(server.port, encryption="starttls", verifyTls=False)["tls"]

    assert step.ok is True
    assert step.text.endswith("It was not verified.")
    assert step.fix == "Set Verify Certificate to Yes."


def test_a_refused_login_asks_for_user_and_password_and_shows_neither_secret_nor_its_echo() -> None:
    coded = base64.b64encode(PASSWORD.encode()).decode()
    reply = f"535 5.7.8 Wrong: {PASSWORD} {coded}"
    with Sink(Script(extensions=["AUTH PLAIN"], replies={"AUTH": reply})) as sink:
        steps = checked(sink.port, **CLEAR)

    step = failed(steps)
    assert (step.name, step.fix) == ("auth", "Check user name and Password.")
    assert "535 5.7.8 Wrong: *** ***" in step.text
    assert PASSWORD not in str(steps)
    assert coded not in str(steps)


def test_a_server_without_login_says_where_else_to_look() -> None:
    with Sink(Script(extensions=[])) as sink:
        step = failed(checked(sink.port, **CLEAR))

    assert (step.name, step.text) == (
        "auth",
        f"127.0.0.1:{sink.port} offers no login on this port.",
    )
    assert "set Is Authentication Required to No" in (step.fix or "")


def test_a_login_that_anybody_can_read_is_well_and_warned_of() -> None:
    with Relay(login=(SENDER, PASSWORD), in_clear=True) as server:
        step = checked(server.port, **CLEAR)["auth"]

    assert step.ok is True
    assert step.fix == "The password crosses the network readable: choose STARTTLS or TLS."


def test_what_a_server_says_of_itself_stays_one_line_and_is_cut() -> None:
    script = Script(replies={"CONNECT": "220 a\x1b[31m\u2028b", "EHLO": "250 " + "x" * 3000})
    with Sink(script) as sink:
        text = checked(sink.port)["ehlo"].text

    assert "\x1b" not in text
    assert "\u2028" not in text
    assert len(text) < 500
