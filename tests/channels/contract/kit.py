"""What every channel must keep, run over real sockets; a channel's test subclasses ChannelContract.

A channel brings `Cases`: itself, options for a port on loopback, secrets that hold CANARY, and the
server that answers well. The rest (nobody there, black hole, dripping, garbage, dropping) is the
same for all, as it happens below their protocols.
"""

from __future__ import annotations

import json
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pytest
from pydantic import BaseModel

from app import clock
from app.channels.base import Channel, ChannelError, Outgoing, Receipt
from app.channels.notice import Notice
from app.domain.kinds import Fail
from app.errors import Invalid
from app.secrets import Secret
from app.shapes import parse
from tests.servers.raw import BREAKS, STALLS, raw

CANARY = "canary-7f3a-täxt"
SECONDS = 1.0
GENEROUS = 12.0  # this machine is shared; without a deadline it would take for ever


class Listening(Protocol):
    """A server on loopback."""

    @property
    def port(self) -> int:
        """Where it listens."""


class ChannelContract(ABC):
    """Subclass it as Test…, and fill in the abstract parts; `canary` stands in each secret."""

    canary = CANARY

    @property
    @abstractmethod
    def channel(self) -> Channel:
        """The channel under test, allowed to reach loopback."""

    @abstractmethod
    def options(self, port: int, timeout: float) -> dict[str, Any]:
        """Return options as an admin would send them, for a server on loopback."""

    @property
    @abstractmethod
    def secrets(self) -> Mapping[str, Secret]:
        """The secrets by name; each holds CANARY."""

    @property
    @abstractmethod
    def message(self) -> Outgoing | Notice:
        """A message that the good server takes."""

    @abstractmethod
    def good(self) -> AbstractContextManager[Listening]:
        """Return a server that takes the message."""

    def secrets_at(self, port: int) -> Mapping[str, Secret]:
        """Return the secrets of a system whose server listens on `port`: they may hold its URL."""
        return self.secrets

    def parsed(self, port: int, timeout: float = 20.0) -> BaseModel:
        """Return the options of the system."""
        return parse(self.channel.options, self.options(port, timeout), "/options")

    def attempt(self, port: int, timeout: float = 20.0) -> Receipt:
        """Open, send, close."""
        session = self.channel.connect(self.parsed(port, timeout), self.secrets_at(port))
        try:
            return session.send(self.message)
        finally:
            session.close()

    def failure(self, port: int, timeout: float = 20.0) -> ChannelError:
        """Return the error of an attempt, checked for what holds for every error."""
        with pytest.raises(ChannelError) as caught:
            self.attempt(port, timeout)
        error = caught.value
        assert isinstance(error.reason, Fail)
        assert str(error).strip() == str(error) != ""
        assert "\n" not in str(error)
        assert len(str(error)) < 1500
        assert len(error.transcript.encode()) <= 8192
        assert self.canary not in f"{error} {error!r} {error.answer} {error.transcript}"
        return error

    def test_a_good_server_gives_a_receipt_without_the_secret(self) -> None:
        """The way it should be."""
        with self.good() as server:
            receipt = self.attempt(server.port)

        assert 200 <= receipt.status < 300
        assert len(receipt.transcript.encode()) <= 8192
        assert self.canary not in repr(receipt)

    def test_many_messages_go_over_one_session(self) -> None:
        """A session is kept."""
        with self.good() as server:
            session = self.channel.connect(self.parsed(server.port), self.secrets_at(server.port))
            statuses = {session.send(self.message).status for _ in range(5)}
            session.close()
            session.close()

        assert len(statuses) == 1

    def test_nobody_listening_is_a_channel_error(self) -> None:
        """Refused connections."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        error = self.failure(port)

        assert (error.reason, error.endpoint) == (Fail.CONNECTION, True)
        assert not error.maybe_sent

    @pytest.mark.parametrize("stall", STALLS)
    def test_a_server_that_stalls_is_left_at_the_deadline(self, stall: str) -> None:
        """Never longer than `longest`."""
        with raw(STALLS[stall]) as server:
            before = clock.monotonic()
            error = self.failure(server.port, SECONDS)
            took = clock.monotonic() - before

        assert (error.reason, error.endpoint) == (Fail.TIMEOUT, True)
        assert took < GENEROUS

    @pytest.mark.parametrize("broken", BREAKS)
    def test_a_server_that_breaks_the_protocol_is_a_channel_error(self, broken: str) -> None:
        """Nothing but ChannelError comes out, and soon."""
        with raw(BREAKS[broken]) as server:
            error = self.failure(server.port, 5.0)

        assert error.endpoint

    def test_the_longest_attempt_is_the_time_out_of_the_system(self) -> None:
        """The lease is computed from it."""
        assert self.channel.longest(self.parsed(25, 7.5)) >= 7.5

    def test_it_describes_its_form_and_takes_no_other_field(self) -> None:
        """Forms and the OpenAPI document are made from it."""
        for shape in (self.channel.options, self.channel.secrets):
            schema = shape.model_json_schema()
            assert all(field["title"] for field in schema["properties"].values())
            assert all(field["description"] for field in schema["properties"].values())
            assert json.dumps(schema)
            with pytest.raises(Invalid):
                parse(shape, {"noSuchField": 1})
        assert self.channel.kind
        assert self.channel.title

    def test_its_own_options_and_secrets_pass_its_check(self) -> None:
        """What it needs is there."""
        self.channel.check(self.parsed(25), self.secrets)

    def test_its_secrets_never_show(self) -> None:
        """Every secret is a Secret from parsing on."""
        typed = {name: secret.reveal() for name, secret in self.secrets.items()}
        given = parse(self.channel.secrets, typed, "/secrets")

        assert self.canary not in repr(given)
        assert all(isinstance(value, Secret) for _, value in given if value is not None)
