"""What Slack and Teams have in common: a message is posted to one URL, which is the secret."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from app import clock, failpoints
from app.channels.base import CheckStep, Receipt, Session
from app.channels.dialling import Dialler, Resolver, look_up
from app.channels.http_answers import Answer
from app.channels.http_check import steps
from app.channels.http_open import Opening
from app.channels.http_options import HttpOptions, reached
from app.channels.http_secret_url import veiled
from app.channels.http_session import HttpSession
from app.channels.http_url import WebAddress, parsed
from app.channels.notice import Notice
from app.channels.policy import AddressPolicy
from app.errors import Fault, Invalid
from app.secrets import Secret

_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class HookChannel(ABC):
    """Implements Channel, but for what a message looks like and what an answer means."""

    kind: ClassVar[str]
    title: ClassVar[str]
    options: ClassVar[type[BaseModel]]
    secrets: ClassVar[type[BaseModel]]
    # At most so many messages in so many seconds; all of them hold.
    pace: ClassVar[tuple[tuple[int, float], ...]]
    # The name of the secret, and its title on the form.
    url_name: ClassVar[str]
    url_title: ClassVar[str]

    def __init__(self, policy: AddressPolicy, resolver: Resolver = look_up) -> None:
        self._dialler = Dialler(policy, self.url_title, resolver=resolver)

    @abstractmethod
    def payload(self, notice: Notice) -> bytes:
        """Return the body that is posted, within the limits of the service."""

    @abstractmethod
    def judged(self, answer: Answer) -> Receipt:
        """Return the receipt that an answer is; raises ChannelError."""

    def check(self, options: Any, secrets: Mapping[str, Secret]) -> None:
        """Refuse a system without its URL; raises Invalid."""
        if not secrets.get(self.url_name):
            raise Invalid([Fault(f"/secrets/{self.url_name}", "is required")])

    def longest(self, options: Any) -> float:
        """Return the TimeOut, which is that of a whole attempt."""
        return float(options.timeout)

    def connect(self, options: Any, secrets: Mapping[str, Secret]) -> Session:
        """Return a session that is connected; raises ChannelError."""
        return HookSession(self, self._dialler, options, self._address(secrets))

    def check_connection(self, options: Any, secrets: Mapping[str, Secret]) -> list[CheckStep]:
        """Resolve, vet, connect and shake hands; sends nothing, as the URL has no way to ask."""
        deadline = clock.monotonic() + options.timeout
        endpoint = reached(self._address(secrets), options)
        return steps(Opening(endpoint, self._dialler, deadline))

    def describe(self, options: Any, notice: Notice) -> str:
        """Return one line about the request of a message, without the URL."""
        events = f"{len(notice.events):,} events, " if len(notice.events) > 1 else ""
        return f"POST to the {self.url_title} of {self.title}, {events}notification {notice.id}"

    def shown(self, secrets: Mapping[str, Secret]) -> str:
        """Return what may be shown of the URL: its host, and its port unless it is the usual."""
        address = self._address(secrets)
        return reached(address, HttpOptions()).authority

    def _address(self, secrets: Mapping[str, Secret]) -> WebAddress:
        return parsed(secrets[self.url_name].reveal())


class HookSession:
    """Implements Session: one connection, kept for many messages."""

    def __init__(
        self, channel: HookChannel, dialler: Dialler, options: HttpOptions, address: WebAddress
    ) -> None:
        self._channel, endpoint = channel, reached(address, options)
        self._http = HttpSession(
            address,
            endpoint,
            dialler,
            options.timeout,
            veils=veiled(address),
            where=endpoint.authority,
        )

    def send(self, message: Any) -> Receipt:
        """Post a Notice within the system's time-out; raises ChannelError."""
        body = self._channel.payload(message)
        failpoints.reach(7)
        return self._channel.judged(self._http.post(body, _HEADERS))

    def close(self) -> None:
        """End the connection."""
        self._http.close()
