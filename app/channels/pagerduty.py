"""PagerDuty: the channel that opens and resolves alerts (spec: channels.md, PagerDuty)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from app import clock, failpoints
from app.channels.base import CheckStep, Receipt, Session
from app.channels.dialling import Dialler, Resolver, look_up
from app.channels.http_check import steps
from app.channels.http_open import Opening
from app.channels.http_options import reached
from app.channels.http_session import HttpSession
from app.channels.notice import Notice
from app.channels.pagerduty_answers import judged
from app.channels.pagerduty_options import PagerDutyOptions, PagerDutySecrets
from app.channels.pagerduty_payload import action, dedup_key, payload
from app.channels.policy import AddressPolicy
from app.errors import Fault, Invalid
from app.secrets import Secret
from app.words import label

_HEADERS = {"Content-Type": "application/json"}


class PagerDutyChannel:
    """Speaks the Events API v2; a receipt means accepted, not that anybody was called."""

    kind: ClassVar[str] = "pagerduty"
    title: ClassVar[str] = "PagerDuty"
    options: ClassVar[type[BaseModel]] = PagerDutyOptions
    secrets: ClassVar[type[BaseModel]] = PagerDutySecrets
    # At most so many messages in so many seconds: what a key may send.
    pace: ClassVar[tuple[tuple[int, float], ...]] = ((120, 60.0),)

    def __init__(self, policy: AddressPolicy, resolver: Resolver = look_up) -> None:
        self._dialler = Dialler(policy, "URL", resolver=resolver)

    def check(self, options: Any, secrets: Mapping[str, Secret]) -> None:
        """Refuse a system without its key; raises Invalid."""
        if not secrets.get("routingKey"):
            raise Invalid([Fault("/secrets/routingKey", "is required")])

    def longest(self, options: Any) -> float:
        """Return the TimeOut, which is that of a whole attempt."""
        return float(options.timeout)

    def connect(self, options: Any, secrets: Mapping[str, Secret]) -> Session:
        """Return a session that is connected; raises ChannelError."""
        return PagerDutySession(self._dialler, options, secrets["routingKey"])

    def check_connection(self, options: Any, secrets: Mapping[str, Secret]) -> list[CheckStep]:
        """Resolve, vet, connect and shake hands; sends nothing, as every request is an event."""
        deadline = clock.monotonic() + options.timeout
        return steps(Opening(reached(options.address, options), self._dialler, deadline))

    def describe(self, options: Any, notice: Notice) -> str:
        """Return one line about the request of a message, without query and secrets."""
        shown, key = options.address.shown, label(dedup_key(notice))
        return f"POST {shown}, {action(notice)}, dedup_key {key}"


class PagerDutySession:
    """Implements Session: one connection, kept for many events."""

    def __init__(self, dialler: Dialler, options: PagerDutyOptions, routing_key: Secret) -> None:
        self._key, address = routing_key, options.address
        endpoint, veils = reached(address, options), [routing_key.reveal()]
        self._http = HttpSession(address, endpoint, dialler, options.timeout, veils=veils)

    def send(self, message: Any) -> Receipt:
        """Post a Notice within the system's time-out; raises ChannelError."""
        body = payload(message, self._key)
        failpoints.reach(7)
        return judged(self._http.post(body, _HEADERS))

    def close(self) -> None:
        """End the connection."""
        self._http.close()
