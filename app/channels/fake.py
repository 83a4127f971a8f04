"""A channel without network whose outcomes are scripted; shipped for tests, never registered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel

from app.channels.base import ChannelError, CheckStep, Outgoing, Receipt, Session, Verdict
from app.channels.fields import SecretText
from app.channels.fields import field as described
from app.domain.kinds import RecipientState
from app.secrets import Secret
from app.shapes import Shape, number

Outcome = Receipt | ChannelError | Callable[[Outgoing], Receipt]


class FakeOptions(Shape):
    """The one field of a fake system."""

    timeout: Annotated[float, number(1, 300)] = described("TimeOut", "Seconds.", 30.0)


class FakeSecrets(Shape):
    """The secret that it takes and never shows."""

    token: SecretText | None = described("Token", "Any text.", None)


@dataclass
class FakeChannel:
    """Implements Channel. What `opens` and `outcomes` hold is used up from the left.

    An outcome is returned (Receipt), raised (ChannelError), or called with the message; with none
    left every send succeeds. `sent` holds the messages in order, `opened` counts sessions. To
    stand in for another kind: a subclass with that kind, its options and its secrets, put into
    `app.channels.CHANNELS`.
    """

    kind: ClassVar[str] = "fake"
    title: ClassVar[str] = "Fake"
    options: ClassVar[type[BaseModel]] = FakeOptions
    secrets: ClassVar[type[BaseModel]] = FakeSecrets

    outcomes: deque[Outcome] = field(default_factory=deque)
    opens: deque[ChannelError | None] = field(default_factory=deque)
    sent: list[Outgoing] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    lock: Lock = field(default_factory=Lock)

    def check(self, options: Any, secrets: Mapping[str, Secret]) -> None:
        """Take everything."""

    def longest(self, options: Any) -> float:
        """Return the TimeOut, or 30 s."""
        return float(getattr(options, "timeout", 30.0))

    def connect(self, options: Any, secrets: Mapping[str, Secret]) -> Session:
        """Return a session, or raise what `opens` says."""
        with self.lock:
            self.opened += 1
            error = self.opens.popleft() if self.opens else None
        if error is not None:
            raise error
        return FakeSession(self)

    def check_connection(self, options: Any, secrets: Mapping[str, Secret]) -> list[CheckStep]:
        """Return the one step of a fake: what `opens` says."""
        with self.lock:
            error = self.opens.popleft() if self.opens else None
        if error is not None:
            return [CheckStep("tcp", False, error.cause, error.advice or None)]
        return [CheckStep("tcp", True, "Connected to nothing.")]

    def answer(self, message: Outgoing) -> Receipt:
        """Note the message and do what comes next in `outcomes`."""
        with self.lock:
            self.sent.append(message)
            outcome = self.outcomes.popleft() if self.outcomes else accepted
        if isinstance(outcome, ChannelError):
            raise outcome
        return outcome if isinstance(outcome, Receipt) else outcome(message)


@dataclass
class FakeSession:
    """Implements Session."""

    channel: FakeChannel

    def send(self, message: Outgoing) -> Receipt:
        """Do what the channel's script says."""
        return self.channel.answer(message)

    def close(self) -> None:
        """Count the closed sessions."""
        with self.channel.lock:
            self.channel.closed += 1


def accepted(message: Outgoing) -> Receipt:
    """Return the receipt of a mail that everybody gets."""
    verdicts = tuple(
        Verdict(address, RecipientState.ACCEPTED, 250, "2.1.5 Ok") for address in message.recipients
    )
    return Receipt(250, "250 2.0.0 Ok: queued as FAKE", verdicts)
