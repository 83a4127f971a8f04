"""What every channel speaks: how a system is described, opened and sent to; no channel retries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from app.domain.kinds import Fail, RecipientState
from app.errors import TocsinError
from app.secrets import Secret


@dataclass(frozen=True)
class Verdict:
    """What a mail server said of one recipient; `code` is the SMTP reply, 0 without one."""

    address: str
    state: RecipientState
    code: int
    text: str


@dataclass(frozen=True)
class Receipt:
    """A send that the other side took, wholly or in part."""

    status: int
    answer: str
    recipients: tuple[Verdict, ...] = ()
    confirmed: bool = False
    transcript: str = ""


class ChannelError(TocsinError):
    """A send that failed.

    `endpoint` says whose fault it is: the endpoint's (stands for all that were due with it) or the
    message's. `permanent`: trying the same again cannot help. `maybe_sent`: the connection ended
    between the end of the message and its answer. `retry_after`: seconds, as the endpoint asked.
    """

    def __init__(  # noqa: PLR0913 - the facts of a failed send, all by keyword
        self,
        message: str,
        *,
        reason: Fail,
        endpoint: bool,
        permanent: bool = False,
        maybe_sent: bool = False,
        status: int = 0,
        answer: str = "",
        retry_after: float | None = None,
        transcript: str = "",
    ) -> None:
        super().__init__(message)
        self.reason, self.endpoint, self.permanent = reason, endpoint, permanent
        self.maybe_sent, self.status, self.answer = maybe_sent, status, answer
        self.retry_after, self.transcript = retry_after, transcript


@dataclass(frozen=True)
class Outgoing:
    """One message, ready to go: `sender` and `recipients` are the envelope, `body` the bytes."""

    sender: str
    recipients: tuple[str, ...]
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Session(Protocol):
    """An open connection to a system, kept for many messages."""

    def send(self, message: Outgoing) -> Receipt:
        """Send one message within the system's time-out; raises ChannelError."""

    def close(self) -> None:
        """Leave politely, never raising."""


class Channel(Protocol):
    """The code that speaks one kind of system's protocol and describes its form."""

    kind: ClassVar[str]
    title: ClassVar[str]
    options: ClassVar[type[BaseModel]]
    secrets: ClassVar[type[BaseModel]]

    def check(self, options: Any, secrets: Mapping[str, Secret]) -> None:
        """Check what no single field can say (a password is needed when …); raises Invalid."""

    def longest(self, options: Any) -> float:
        """Return the seconds that one attempt may take at the most."""

    def connect(self, options: Any, secrets: Mapping[str, Secret]) -> Session:
        """Open a session; raises ChannelError."""
