"""The form of an SMTP system: what it describes, what it takes, what it refuses and where."""

from __future__ import annotations

from typing import Any

import pytest

from app.channels import CHANNELS, channel, configure
from app.channels.policy import AddressPolicy
from app.channels.smtp_options import SmtpOptions, SmtpSecrets
from app.errors import Invalid
from app.secrets import Secret
from app.shapes import parse
from tests.channels.smtp_system import CHANNEL, PASSWORD
from tests.servers import certificates

LEAST = {"server": "mail.example.com", "senderEmail": "tocsin@example.com"}


def pointers(given: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        parse(SmtpOptions, given, "/options")
    return [fault.pointer for fault in caught.value.faults]


def checked(changes: dict[str, Any], password: str = "") -> list[str]:
    try:
        stored = {"password": Secret(password)} if password else {}
        CHANNEL.check(parse(SmtpOptions, LEAST | changes), stored)
    except Invalid as error:
        return [fault.pointer for fault in error.faults]
    return []


def test_the_least_that_is_typed_gets_the_documented_defaults() -> None:
    options = parse(SmtpOptions, LEAST)

    assert options.model_dump(by_alias=True) == {
        "server": "mail.example.com",
        "port": 587,
        "encryption": "starttls",
        "authenticationRequired": True,
        "username": None,
        "senderEmail": "tocsin@example.com",
        "timeout": 30.0,
        "toEmail": "",
        "ccEmail": "",
        "bounceEmail": "",
        "verifyTls": True,
        "caPem": None,
        "allowAuthWithoutTls": False,
    }
    assert CHANNEL.longest(options) == 30.0


def test_every_field_describes_itself_and_says_when_it_is_shown() -> None:
    properties = SmtpOptions.model_json_schema()["properties"]
    password = SmtpSecrets.model_json_schema()["properties"]["password"]

    assert all(field["title"] and field["description"] for field in properties.values())
    assert properties["server"]["title"] == "SMTP Server"
    assert properties["caPem"]["shownWhen"]["encryption"] == ["starttls", "tls"]
    assert password["shownWhen"] == {"authenticationRequired": [True]}
    assert password["anyOf"][0]["writeOnly"] is True
    shown = {name for field in properties.values() for name in field.get("shownWhen", {})}
    assert shown <= set(properties)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Mail.Example.COM", "mail.example.com"),
        (" mail.example.com. ", "mail.example.com"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("mail_server", "mail_server"),
        ("localhost", "localhost"),
        ("192.168.1.5", "192.168.1.5"),
        ("[::1]", "::1"),
        ("FD00::0001", "fd00::1"),
    ],
)
def test_a_host_may_be_a_name_of_any_alphabet_or_an_address(typed: str, kept: str) -> None:
    assert parse(SmtpOptions, LEAST | {"server": typed}).server == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        None,
        7,
        "mail example.com",
        "mail.example.com\r\nRSET",
        "smtp://mail.example.com",
        "mail.example.com:25",
        "mail.example.com/x",
        "user@mail.example.com",
        "-mail.example.com",
        "mail..example.com",
        "a" * 64 + ".example",
        "a." * 130,
        "xn--\u2028",
        "mail\x00.example",
    ],
)
def test_what_is_no_host_is_refused_at_its_field(typed: object) -> None:
    assert pointers(LEAST | {"server": typed}) == ["/options/server"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("port", "25"),
        ("encryption", "ssl"),
        ("authenticationRequired", "yes"),
        ("username", "a\nb"),
        ("senderEmail", "tocsin"),
        ("senderEmail", "a@b.org, c@d.org"),
        ("timeout", 0.5),
        ("timeout", 301),
        ("toEmail", "a@b.org, wrong"),
        ("ccEmail", "wrong"),
        ("bounceEmail", "a@b.org, c@d.org"),
        ("verifyTls", 1),
        ("caPem", "not a certificate"),
        ("caPem", ""),
        ("unknown", 1),
    ],
)
def test_each_wrong_value_is_refused_at_its_field(field: str, value: object) -> None:
    assert pointers(LEAST | {field: value}) == [f"/options/{field}"]


def test_what_is_required_is_said_all_at_once() -> None:
    assert pointers({}) == ["/options/server", "/options/senderEmail"]


def test_addresses_and_time_out_are_taken_as_people_type_them() -> None:
    typed = {
        "timeout": 2.5,
        "senderEmail": "Tocsin <tocsin@example.com>",
        "toEmail": "Ann <a@b.org>; c@d.org",
        "bounceEmail": " b@b.org ",
    }
    options = parse(SmtpOptions, LEAST | typed)

    assert (options.timeout, options.sender_email) == (2.5, "tocsin@example.com")
    assert (options.to_email, options.bounce_email) == ("a@b.org, c@d.org", "b@b.org")


def test_a_private_ca_is_taken_and_its_private_key_is_not() -> None:
    made = certificates.authority()

    assert parse(SmtpOptions, LEAST | {"caPem": made.pem * 2}).ca_pem == made.pem * 2
    assert pointers(LEAST | {"caPem": made.pem + made.key_pem}) == ["/options/caPem"]


def test_a_password_is_required_exactly_when_a_login_is() -> None:
    assert checked({}) == ["/secrets/password"]
    assert checked({}, PASSWORD) == []
    assert checked({"authenticationRequired": False}) == []


def test_a_login_without_encryption_needs_the_admins_leave() -> None:
    clear = {"encryption": "none"}

    assert checked(clear, PASSWORD) == ["/options/encryption"]
    assert checked(clear | {"allowAuthWithoutTls": True}, PASSWORD) == []
    assert checked(clear | {"authenticationRequired": False}) == []
    assert checked(clear) == ["/secrets/password", "/options/encryption"]


def test_a_password_is_a_secret_from_the_first_moment() -> None:
    given = parse(SmtpSecrets, {"password": PASSWORD})

    assert given.password == Secret(PASSWORD)
    assert PASSWORD not in repr(given)
    with pytest.raises(Invalid) as caught:
        parse(SmtpSecrets, {"password": PASSWORD + "\x00"}, "/secrets")
    assert PASSWORD not in str(caught.value)


def test_channels_are_found_by_kind_and_made_anew_for_a_policy() -> None:
    before = channel("smtp")
    configure(AddressPolicy())

    assert channel("smtp").kind == "smtp"
    assert channel("smtp") is not before
    assert "fake" not in CHANNELS
    with pytest.raises(KeyError):
        channel("pigeon")
