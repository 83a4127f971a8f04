"""The form of an SMTP Mail Client: its fields, their help, and what they allow."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from app.addresses import OneAddress, address, addresses
from app.channels.fields import CaPem, Host, SecretText, field
from app.shapes import Rule, Shape, number, text, whole

_LONGEST = 5000
_LOGIN = {"authenticationRequired": [True]}
_TLS = {"encryption": ["starttls", "tls"]}


def _address_list(value: Any) -> str:
    """Return the addresses typed in one field, bare and comma separated; may be empty."""
    return ", ".join(addresses(text(_LONGEST).check(value)))


def _address_or_none(value: Any) -> str:
    typed: str = text(_LONGEST).check(value)
    return address(typed.strip()) if typed.strip() else ""


AddressList = Annotated[str, Rule(_address_list, {"type": "string", "maxLength": _LONGEST})]
AddressOrNone = Annotated[str, Rule(_address_or_none, {"type": "string", "maxLength": _LONGEST})]


class SmtpOptions(Shape):
    """The fields of an SMTP system besides its name and its secrets (spec: api.md, smtp)."""

    server: Host = field("SMTP Server", "Host name or IP address of the mail server.")
    port: Annotated[int, whole(1, 65535)] = field(
        "SMTP Port", "Usually 587 with STARTTLS, 465 with TLS, 25 for a relay of your own.", 587
    )
    encryption: Literal["none", "starttls", "tls"] = field(
        "Encrypted Connection",
        "STARTTLS turns a clear connection into an encrypted one; where the server does not offer "
        "it, nothing is sent. TLS is encrypted from the start. None: the network is trusted.",
        "starttls",
    )
    authentication_required: bool = field(
        "Is Authentication Required",
        "Yes: Tocsin logs in with user name and password. No: the server takes mail without.",
        True,
    )
    username: Annotated[str, text(320, line=True)] | None = field(
        "User Name", "Empty: the Sender Email-id is the user.", None, shown_when=_LOGIN
    )
    sender_email: OneAddress = field(
        "Sender Email-id", "The mails come from this address; the server must let it send."
    )
    timeout: Annotated[float, number(1, 300)] = field(
        "TimeOut",
        "Seconds from 1 to 300 that one attempt may take, from connecting to the last answer.",
        30.0,
        more=True,
    )
    to_email: AddressList = field(
        "To Email-Id", "Who gets test mails and routed notifications.", ""
    )
    cc_email: AddressList = field(
        "CC Email-Id", "Who gets a copy of routed notifications.", "", more=True
    )
    bounce_email: AddressOrNone = field(
        "Bounce Email-Id",
        "Where undeliverable mail is returned to; empty: to the sender.",
        "",
        more=True,
    )
    verify_tls: bool = field(
        "Verify Certificate",
        "No: any certificate is taken, so mail and password could be read on the way.",
        True,
        shown_when=_TLS,
        more=True,
    )
    ca_pem: CaPem | None = field(
        "Private CA",
        "Certificate (PEM) of your own CA, or of the server itself, trusted besides the usual CAs.",
        None,
        shown_when={**_TLS, "verifyTls": [True]},
        more=True,
    )
    allow_auth_without_tls: bool = field(
        "Allow Login without Encryption",
        "Yes: the password crosses the network readable. Only for a network that you trust.",
        False,
        shown_when={**_LOGIN, "encryption": ["none"]},
        more=True,
    )

    @property
    def user(self) -> str:
        """The name to log in with."""
        return self.username or self.sender_email


class SmtpSecrets(Shape):
    """The secret of an SMTP system."""

    password: SecretText | None = field(
        "Password", "The password of the user name.", None, shown_when=_LOGIN
    )
