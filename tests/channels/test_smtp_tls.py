"""TLS of a mail server: never clear text instead, never a wrong certificate, no AUTH before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from app.channels.policy import AddressPolicy
from app.channels.smtp import SmtpChannel
from app.domain.kinds import Fail
from tests.channels.smtp_system import PASSWORD, SENDER, failed_open, mail, session
from tests.servers import certificates
from tests.servers.certificates import Made
from tests.servers.relay import Relay
from tests.servers.sink import Script, Sink

LOGIN: dict[str, Any] = {"authenticationRequired": True, "server": "localhost"}
LOCAL = SmtpChannel(AddressPolicy(), resolver=lambda host, port: ["127.0.0.1"])
KINDS = pytest.mark.parametrize("encryption", ["starttls", "tls"])


def relay(made: Made, encryption: str) -> contextlib.AbstractContextManager[Relay]:
    return Relay(made.server_context(), implicit=encryption == "tls", login=(SENDER, PASSWORD))


@KINDS
def test_a_mail_goes_out_encrypted_once_the_private_ca_is_known(encryption: str) -> None:
    with relay(certificates.right(), encryption) as server:
        unknown = failed_open(server.port, channel=LOCAL, encryption=encryption, **LOGIN)
        assert (unknown.reason, server.logins) == (Fail.TLS, [])
        ca = certificates.authority().pem
        with session(
            server.port, channel=LOCAL, encryption=encryption, caPem=ca, **LOGIN
        ) as opened:
            assert opened.send(mail()).status == 250

    assert len(server.mails) == 1
    assert len(server.logins) == 1


@KINDS
@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (certificates.wrong_name, "The certificate is for other.example, not localhost"),
        (certificates.expired, "The certificate of localhost has expired"),
        (certificates.not_yet_valid, "The certificate of localhost is not valid yet"),
        (
            certificates.self_signed,
            "of localhost is self-signed. Add it under Private CA.",
        ),
    ],
)
def test_a_wrong_certificate_ends_it_before_any_login(
    made: Callable[[], Made], sentence: str, encryption: str
) -> None:
    ca = certificates.authority().pem
    with relay(made(), encryption) as server:
        error = failed_open(server.port, channel=LOCAL, encryption=encryption, caPem=ca, **LOGIN)

    assert (error.reason, error.endpoint) == (Fail.TLS, True)
    assert sentence in str(error)
    assert server.logins == []
    assert server.mails == []


def test_an_unknown_ca_is_told_from_a_self_signed_certificate() -> None:
    with relay(certificates.right(), "starttls") as server:
        error = failed_open(server.port, channel=LOCAL, encryption="starttls", **LOGIN)

    assert "comes from an unknown CA. Add its CA under Private CA." in str(error)


@KINDS
@pytest.mark.parametrize("kind", [certificates.self_signed, certificates.right])
def test_the_very_certificate_of_the_server_may_be_trusted(
    kind: Callable[[], Made], encryption: str
) -> None:
    made = kind()
    with relay(made, encryption) as server:
        with session(
            server.port, channel=LOCAL, encryption=encryption, caPem=made.pem, **LOGIN
        ) as opened:
            opened.send(mail())

    assert len(server.mails) == 1


@KINDS
def test_verification_can_be_switched_off_for_a_system(encryption: str) -> None:
    with relay(certificates.wrong_name(), encryption) as server:
        with session(
            server.port, channel=LOCAL, encryption=encryption, verifyTls=False, **LOGIN
        ) as opened:
            opened.send(mail())

    assert len(server.mails) == 1


def test_an_address_instead_of_a_name_is_checked_as_an_address() -> None:
    ca = certificates.authority().pem
    changes: dict[str, Any] = {
        "encryption": "starttls",
        "caPem": ca,
        **LOGIN,
        "server": "127.0.0.1",
    }
    with relay(certificates.right(), "starttls") as server:
        assert "for localhost, not 127.0.0.1" in str(failed_open(server.port, **changes))
    with relay(certificates.right("127.0.0.1"), "starttls") as server:
        with session(server.port, **changes) as opened:
            opened.send(mail())

    assert len(server.mails) == 1


@pytest.mark.parametrize(
    "script",
    [
        Script(extensions=["AUTH PLAIN LOGIN"]),
        Script(extensions=["AUTH PLAIN", "STARTTLS"], replies={"STARTTLS": "454 4.7.0 Not now"}),
        Script(extensions=["AUTH PLAIN", "STARTTLS"], replies={"STARTTLS": "501 No"}),
    ],
    ids=["not offered", "refused for now", "refused"],
)
@pytest.mark.parametrize("login", [True, False])
def test_without_starttls_nothing_is_sent_in_clear_text(script: Script, login: bool) -> None:
    with Sink(script) as sink:
        error = failed_open(sink.port, encryption="starttls", authenticationRequired=login)

    assert (error.reason, error.endpoint) == (Fail.TLS, True)
    assert "no mail is sent in clear text. Choose" in str(error)
    assert set(sink.box.verbs) <= {"EHLO", "STARTTLS"}


def test_starttls_is_not_even_asked_for_where_it_is_not_offered() -> None:
    with Sink() as sink:
        error = failed_open(sink.port, encryption="starttls")

    assert str(error).startswith(f"The server does not offer STARTTLS on port {sink.port}; ")
    assert sink.box.verbs == ["EHLO"]


def test_what_is_sent_ahead_of_tls_is_not_believed() -> None:
    injected = "220 Go\r\n250-evil\r\n250 AUTH PLAIN"
    script = Script(extensions=["STARTTLS"], replies={"STARTTLS": injected})
    with Sink(script) as sink:
        error = failed_open(sink.port, encryption="starttls")

    assert error.reason is Fail.TLS
    assert "sent data ahead of TLS" in str(error)
    assert sink.box.verbs == ["EHLO", "STARTTLS"]


def test_tls_on_a_port_that_speaks_clear_text_is_explained() -> None:
    with Sink() as sink:
        error = failed_open(sink.port, encryption="tls")

    assert (error.reason, error.endpoint) == (Fail.TLS, True)
    assert "does not speak TLS on this port" in str(error)
    assert sink.mails == []
