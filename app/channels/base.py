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
    """A mail server's answer for one recipient; `code` 0: none. `advice`: what to do about it."""

    address: str
    state: RecipientState
    code: int
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Receipt:
    """A send that the other side took, wholly or in part."""

    status: int
    answer: str
    recipients: tuple[Verdict, ...] = ()
    confirmed: bool = False
    transcript: str = ""


class ChannelError(TocsinError):
    """A send that failed: `cause` in a sentence, `advice` what to do about it; str gives both.

    `endpoint` says whose fault it is: the endpoint's (stands for all that were due with it) or the
    message's. `permanent`: trying the same again cannot help. `maybe_sent`: the connection ended
    between the end of the message and its answer. `retry_after`: seconds, as the endpoint asked.
    """

    def __init__(  # noqa: PLR0913 - the facts of a failed send, all by keyword
        self,
        cause: str,
        *,
        reason: Fail,
        endpoint: bool,
        advice: str = "",
        permanent: bool = False,
        maybe_sent: bool = False,
        status: int = 0,
        answer: str = "",
        retry_after: float | None = None,
        transcript: str = "",
    ) -> None:
        stop = "" if cause.endswith((".", "?", "!")) else "."
        super().__init__(f"{cause}{stop} {advice}" if advice else cause)
        self.cause, self.advice = cause, advice
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


@dataclass(frozen=True)
class CheckStep:
    """One step of a check: what was found, and what to do next.

    `ok` None: it was not needed, or not reached. A step that is `ok` may have a `fix` as well.
    """

    name: str
    ok: bool | None
    text: str
    fix: str | None = None
    duration_ms: int = 0


class Session(Protocol):
    """An open connection to a system, kept for many messages."""

    def send(self, message: Any) -> Receipt:
        """Send an Outgoing, or a Notice, within the system's time-out; raises ChannelError."""

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

    def check_connection(self, options: Any, secrets: Mapping[str, Secret]) -> list[CheckStep]:
        """Connect step by step, as for sending, and send nothing; no longer than one attempt."""
