"""Webhook: the channel that posts events to a URL (spec: channels.md, Webhook)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from app.channels.base import CheckStep, Receipt, Session
from app.channels.dialling import Dialler, Resolver, look_up
from app.channels.http_check import steps
from app.channels.http_faults import place
from app.channels.http_session import HttpSession, prepared, target
from app.channels.http_wire import Target
from app.channels.notice import Notice
from app.channels.policy import AddressPolicy
from app.channels.webhook_fields import new_signing_secret
from app.channels.webhook_options import WebhookOptions, WebhookSecrets
from app.channels.webhook_payload import headers, payload, query, signers
from app.clock import utc_now
from app.secrets import Secret


class WebhookChannel:
    """Posts to any endpoint; a receipt means that it answered with 2XX (S2)."""

    kind: ClassVar[str] = "webhook"
    title: ClassVar[str] = "Webhook"
    options: ClassVar[type[BaseModel]] = WebhookOptions
    secrets: ClassVar[type[BaseModel]] = WebhookSecrets
    # Secrets that are made where none is given, and shown once.
    generated: ClassVar[Mapping[str, Callable[[], Secret]]] = {"signing_secret": new_signing_secret}

    def __init__(self, policy: AddressPolicy, resolver: Resolver = look_up) -> None:
        self._dialler = Dialler(policy, "URL", resolver=resolver)

    def check(self, options: Any, secrets: Mapping[str, Secret]) -> None:
        """Find nothing to say: each field says it by itself."""

    def longest(self, options: Any) -> float:
        """Return the seconds that one attempt may take at the most."""
        return float(options.timeout)

    def connect(self, options: Any, secrets: Mapping[str, Secret]) -> Session:
        """Return a session; it connects with its first message."""
        return WebhookSession(self._dialler, options, secrets)

    def check_connection(self, options: Any, secrets: Mapping[str, Secret]) -> list[CheckStep]:
        """Resolve, connect and shake hands, and send nothing."""
        return steps(self._dialler, _target(options), options.timeout)

    def describe(self, options: Any, notice: Notice) -> str:
        """Return one line about the request of a message, without query and secrets."""
        events = f"{len(notice.events):,} events, " if len(notice.events) > 1 else ""
        return f"POST {place(options.url)}, {events}webhook-id {notice.id}"


class WebhookSession:
    """Implements Session: one connection, kept for many messages."""

    def __init__(
        self, dialler: Dialler, options: WebhookOptions, secrets: Mapping[str, Secret]
    ) -> None:
        self._options, self._signers = options, signers(secrets)
        request = prepared(options.url)
        self._http = HttpSession(dialler, _target(options), request, options.timeout)

    def send(self, message: Any) -> Receipt:
        """Post a Notice within the system's time-out; raises ChannelError."""
        body = payload(self._options, message)
        made = headers(self._options, self._signers, message, body, utc_now())
        return self._http.post(body, made, query(self._options, message))

    def close(self) -> None:
        """End the connection."""
        self._http.close()


def _target(options: WebhookOptions) -> Target:
    return target(
        prepared(options.url),
        verify=options.verify_tls,
        ca_pem=options.ca_pem,
        proxy=options.proxy,
    )
