"""ServiceNow: the channel that opens incidents, or feeds Event Management (spec: channels.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from app import clock
from app.channels.base import CheckStep, Session
from app.channels.dialling import Dialler, Resolver, look_up
from app.channels.http_check import steps
from app.channels.http_event import told
from app.channels.http_open import Opening
from app.channels.http_options import reached
from app.channels.notice import Notice
from app.channels.policy import AddressPolicy
from app.channels.servicenow_events import message_key
from app.channels.servicenow_incident import correlation_id
from app.channels.servicenow_options import INCIDENT, ServiceNowOptions, ServiceNowSecrets
from app.channels.servicenow_session import ServiceNowSession
from app.channels.servicenow_token import check
from app.secrets import Secret
from app.words import label


class ServiceNowChannel:
    """Speaks the Table API, whose receipts prove the incident, or that of Event Management.

    An event that fires opens an incident, or updates the one that is open; one in state 6, 7 or 8
    (Resolved, Closed, Canceled) counts as done with, and gets a new one beside it. An event that
    is resolved resolves what is open; where nothing is, there is nothing to do.
    """

    kind: ClassVar[str] = "servicenow"
    title: ClassVar[str] = "ServiceNow"
    options: ClassVar[type[BaseModel]] = ServiceNowOptions
    secrets: ClassVar[type[BaseModel]] = ServiceNowSecrets
    # No limit is known beforehand: an instance says with 429 how long it wants to be left alone.
    pace: ClassVar[tuple[tuple[int, float], ...]] = ()

    def __init__(self, policy: AddressPolicy, resolver: Resolver = look_up) -> None:
        self._dialler = Dialler(policy, "Instance", resolver=resolver)

    def check(self, options: Any, secrets: Mapping[str, Secret]) -> None:
        """Check the login against its secret; raises Invalid."""
        check(options, secrets)

    def longest(self, options: Any) -> float:
        """Return the TimeOut, which is that of a whole attempt with all its requests."""
        return float(options.timeout)

    def connect(self, options: Any, secrets: Mapping[str, Secret]) -> Session:
        """Return a session that is connected; raises ChannelError."""
        return ServiceNowSession(self._dialler, options, secrets)

    def check_connection(self, options: Any, secrets: Mapping[str, Secret]) -> list[CheckStep]:
        """Resolve, vet, connect and shake hands; sends nothing."""
        deadline = clock.monotonic() + options.timeout
        return steps(Opening(reached(options.address, options), self._dialler, deadline))

    def describe(self, options: Any, notice: Notice) -> str:
        """Return one line about what a message becomes, without secrets."""
        shown, event = options.address.shown, told(notice)
        if options.mode == INCIDENT:
            return f"Incident at {shown}, correlation_id {label(correlation_id(notice))}"
        return f"Event at {shown}, message_key {label(message_key(notice, event))}"
