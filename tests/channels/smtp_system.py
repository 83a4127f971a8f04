"""An SMTP system in tests: its options, a session to it, and a mail."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from app.channels.base import ChannelError, Outgoing, Session
from app.channels.policy import AddressPolicy
from app.channels.smtp import SmtpChannel
from app.channels.smtp_options import SmtpOptions
from app.secrets import Secret
from app.shapes import parse

SENDER = "tocsin@example.org"
PASSWORD = "pä55 wort"
CHANNEL = SmtpChannel(AddressPolicy())


def options(port: int, **changes: Any) -> SmtpOptions:
    """Return the options of a relay on loopback without encryption and login, but for `changes`."""
    given = {
        "server": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "authenticationRequired": False,
        "senderEmail": SENDER,
        "timeout": 20,
    }
    return parse(SmtpOptions, given | changes, "/options")


def secrets() -> Mapping[str, Secret]:
    """Return the stored secrets."""
    return {"password": Secret(PASSWORD)}


@contextmanager
def session(port: int, *, channel: SmtpChannel = CHANNEL, **changes: Any) -> Iterator[Session]:
    """Return an open session to a server on loopback."""
    opened = channel.connect(options(port, **changes), secrets())
    try:
        yield opened
    finally:
        opened.close()


def failed_open(port: int, *, channel: SmtpChannel = CHANNEL, **changes: Any) -> ChannelError:
    """Return the error with which opening fails; every one says what to do."""
    with pytest.raises(ChannelError) as caught:
        channel.connect(options(port, **changes), secrets())
    assert caught.value.advice, caught.value
    return caught.value


def failed_send(opened: Session, message: Outgoing) -> ChannelError:
    """Return the error with which sending fails; every one says what to do."""
    with pytest.raises(ChannelError) as caught:
        opened.send(message)
    assert caught.value.advice, caught.value
    return caught.value


def mail(*recipients: str, body: bytes = b"Subject: x\r\n\r\nhello\r\n") -> Outgoing:
    """Return a mail to `recipients`, or to one."""
    return Outgoing(SENDER, recipients or ("ann@example.org",), body)


def states(verdicts: Sequence[Any]) -> dict[str, str]:
    """Return the state by address."""
    return {verdict.address: verdict.state.value for verdict in verdicts}


def closed_port() -> int:
    """Return a port on loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
