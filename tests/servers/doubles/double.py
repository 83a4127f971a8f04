"""What every double of a service does: it listens, keeps a pace, and answers as it was told to."""

from __future__ import annotations

import math
import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from tests.servers.http_sink import HttpSink, Received, answer

Pace = tuple[tuple[int, float], ...]


class Double(ABC):
    """Plays a service on loopback while it is entered: `with Slack() as slack: … slack.url`.

    `messages` holds what it accepted. `paced`: it answers 429 to whoever comes faster than the
    service allows. `heard` is called with one line about each message.
    """

    title: ClassVar[str]
    # At most so many requests in so many seconds; all of them hold.
    pace: ClassVar[Pace]

    def __init__(
        self,
        *,
        paced: bool = True,
        context: ssl.SSLContext | None = None,
        heard: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.messages: list[Any] = []
        self._paced, self._heard = paced, heard
        self._told: deque[bytes] = deque()
        self._times: deque[float] = deque()
        self._sink = HttpSink(self._answer, tls=context)

    def __enter__(self) -> Self:
        self._sink.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._sink.__exit__()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._sink.port

    @property
    def requests(self) -> list[Received]:
        """What came, accepted or not."""
        return self._sink.requests

    @property
    @abstractmethod
    def form(self) -> Mapping[str, str]:
        """What to type into the form of a system: the titles of fields, and their values."""

    @abstractmethod
    def judge(self, request: Received) -> bytes:
        """Return the answer to a request, and keep in `messages` what is accepted."""

    @abstractmethod
    def limited(self, seconds: int) -> bytes:
        """Return the answer to whoever comes too fast, who may come again after `seconds`."""

    def answer_next(
        self, number: int, status: int, body: bytes = b"", retry_after: str | None = None
    ) -> None:
        """Answer the next `number` requests so, whatever they say; nothing of them is kept."""
        headers = {} if retry_after is None else {"Retry_After": retry_after}
        self._told.extend([answer(status, body, **headers)] * number)

    def _answer(self, request: Received) -> bytes:
        if self._told:
            return self._told.popleft()
        wait = self._too_fast(request.at)
        if wait:
            return self.limited(wait)
        before = len(self.messages)
        said = self.judge(request)
        for message in self.messages[before:]:
            self._heard(f"{self.title}: {self.line(message)}")
        return said

    @abstractmethod
    def line(self, message: Any) -> str:
        """Return one line about a message."""

    def _too_fast(self, at: float) -> int:
        """Return the whole seconds to wait; 0: the request is in time, and counts."""
        longest = max(seconds for _, seconds in self.pace)
        while self._times and self._times[0] <= at - longest:
            self._times.popleft()
        full = [one for one in self.pace if len(self._times) >= one[0]]
        left = max((self._times[-most] + seconds - at for most, seconds in full), default=0.0)
        wait = math.ceil(left) if self._paced else 0
        if wait <= 0:
            self._times.append(at)
        return max(wait, 0)
