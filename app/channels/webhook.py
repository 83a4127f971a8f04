"""Webhook: the channel that posts events to a URL (spec: channels.md, Webhook)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from app import clock, failpoints
from app.channels.base import CheckStep, Receipt, Session
from app.channels.dialling import Dialler, Resolver, look_up
from app.channels.http_answers import judged
from app.channels.http_check import steps
from app.channels.http_endpoint import Endpoint
from app.channels.http_open import Opening
from app.channels.http_options import reached
from app.channels.http_session import HttpSession
from app.channels.http_url import parsed
from app.channels.notice import Notice
from app.channels.policy import AddressPolicy
from app.channels.webhook_fields import new_signing_secret
from app.channels.webhook_options import WebhookOptions, WebhookSecrets
from app.channels.webhook_payload import headers, payload, query, veils
from app.channels.webhook_signing import Signer
from app.errors import Fault, Invalid
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
        """Refuse a previous signing secret without one that follows it; raises Invalid."""
        if secrets.get("previousSigningSecret") and not secrets.get("signingSecret"):
            text = "needs a Signing Secret beside it: it only signs as well during a rotation"
            raise Invalid([Fault("/secrets/previousSigningSecret", text)])

    def longest(self, options: Any) -> float:
        """Return the TimeOut, which is that of a whole attempt."""
        return float(options.timeout)

    def connect(self, options: Any, secrets: Mapping[str, Secret]) -> Session:
        """Return a session that is connected; raises ChannelError."""
        return WebhookSession(self._dialler, options, secrets)

    def check_connection(self, options: Any, secrets: Mapping[str, Secret]) -> list[CheckStep]:
        """Resolve, vet, connect and shake hands; sends nothing."""
        deadline = clock.monotonic() + options.timeout
        return steps(Opening(_endpoint(options), self._dialler, deadline))

    def describe(self, options: Any, notice: Notice) -> str:
        """Return one line about the request of a message, without query and secrets."""
        events = f"{len(notice.events):,} events, " if len(notice.events) > 1 else ""
        return f"POST {parsed(options.url).shown}, {events}webhook-id {notice.id}"


class WebhookSession:
    """Implements Session: one connection, kept for many messages."""

    def __init__(
        self, dialler: Dialler, options: WebhookOptions, secrets: Mapping[str, Secret]
    ) -> None:
        self._options, self._signer = options, Signer(secrets)
        endpoint, timeout = _endpoint(options), options.timeout
        self._http = HttpSession(parsed(options.url), endpoint, dialler, timeout)

    def send(self, message: Any) -> Receipt:
        """Post a Notice within the system's time-out; raises ChannelError."""
        options = self._options
        body = payload(options, message)
        made = headers(options, message) | self._signer.headers(message.id, body)
        failpoints.reach(7)
        hidden = veils(options, message)
        return judged(self._http.post(body, made, query(options, message), hidden))

    def close(self) -> None:
        """End the connection."""
        self._http.close()


def _endpoint(options: WebhookOptions) -> Endpoint:
    """Return where the messages of a system go."""
    return reached(parsed(options.url), options)
