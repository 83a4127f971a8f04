"""A webhook's endpoint and a mail server to try with, in the same manner as the doubles."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from tests.servers.doubles.double import Double, Pace
from tests.servers.http_sink import Received, answer
from tests.servers.mailbox import Box, Mail
from tests.servers.sink import Sink


class WebhookSink(Double):
    """Takes everything at any pace."""

    title: ClassVar[str] = "Webhook"
    pace: ClassVar[Pace] = ((1_000_000, 1.0),)

    @property
    def form(self) -> Mapping[str, str]:
        """The URL; the signing secret is made by Tocsin."""
        return {"URL": f"http://127.0.0.1:{self.port}/in"}

    def judge(self, request: Received) -> bytes:
        """Keep the body, decoded where it is JSON."""
        try:
            self.messages.append(json.loads(request.body))
        except ValueError:
            self.messages.append(request.body.decode(errors="replace"))
        return answer(200, b"ok")

    def limited(self, seconds: int) -> bytes:
        """Answer as most servers would."""
        return answer(429, b"", Retry_After=str(seconds))

    def line(self, message: Any) -> str:
        """Return the type of a message and the titles of its events."""
        if not isinstance(message, dict):
            return str(message)
        titles = ", ".join(str(event.get("title")) for event in message.get("events", ()))
        return f"{message.get('type')}: {titles}"


class MailServer(Box):
    """Takes every mail, without login and encryption."""

    title: ClassVar[str] = "SMTP Mail Client"

    def __init__(self, *, heard: Callable[[str], None] = lambda line: None) -> None:
        super().__init__()
        self._heard, self._sink = heard, Sink(box=self)

    def __enter__(self) -> Self:
        self._sink.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._sink.__exit__()

    @property
    def form(self) -> Mapping[str, str]:
        """Where it is; addresses may be any."""
        port = str(self._sink.port)
        return {"SMTP Server": "127.0.0.1", "SMTP Port": port, "Encrypted Connection": "None"}

    def take(self, mail: Mail) -> None:
        """Keep a mail, and tell its subject."""
        super().take(mail)
        subject = email.message_from_bytes(mail.body, policy=email.policy.default)["Subject"]
        self._heard(f"{self.title}: {subject}, to {', '.join(mail.recipients)}")
