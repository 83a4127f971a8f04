"""What arrived: each mail with the time of its arrival, by delivery and by Message-ID."""

from __future__ import annotations

import email
import email.policy
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from app import clock
from tests.harness.waiting import PATIENCE, eventually
from tests.servers.mailbox import Box, Mail
from tests.servers.sink import Script, Sink


class TimedBox(Box):
    """Notes when each mail was accepted, by the monotonic clock."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def take(self, mail: Mail) -> None:
        """Keep the mail and its time."""
        self.times.append(clock.monotonic())
        super().take(mail)


class Post:
    """A mail server of the test's own: `post.sink.script` says how it behaves."""

    def __init__(self, sink: Sink, box: TimedBox) -> None:
        self.sink, self.box = sink, box

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.sink.port

    @property
    def script(self) -> Script:
        """What it answers, from the next command on."""
        return self.sink.script

    @property
    def messages(self) -> list[EmailMessage]:
        """The mails, parsed."""
        return [parse(mail.body) for mail in list(self.box.mails)]

    def commands(self, start: str) -> int:
        """Return how many commands began with `start`."""
        return sum(line.upper().startswith(start.upper()) for line in list(self.box.commands))

    def hang_up(self) -> None:
        """Close every open connection from this side."""
        for transport in list(self.sink.open):
            self.sink._loop.call_soon_threadsafe(transport.abort)

    def wait(self, mails: int, seconds: float = PATIENCE) -> list[EmailMessage]:
        """Wait for so many mails, and return all."""
        self.arrive(mails, seconds)
        return self.messages

    def arrive(self, mails: int, seconds: float = PATIENCE) -> None:
        """Wait for so many mails."""
        eventually(f"{mails} mails", lambda: len(self.box.mails) >= mails, seconds)

    def by_delivery(self) -> dict[str, list[EmailMessage]]:
        """Return the mails by X-Tocsin-Delivery; copies of one have the same Message-ID."""
        found: dict[str, list[EmailMessage]] = defaultdict(list)
        for message in self.messages:
            found[message["X-Tocsin-Delivery"]].append(message)
        for copies in found.values():
            assert len({message["Message-ID"] for message in copies}) == 1, copies
        return found

    @property
    def doubles(self) -> int:
        """How many copies came more than once."""
        return sum(len(copies) - 1 for copies in self.by_delivery().values())


def parse(body: bytes) -> EmailMessage:
    """Return a mail as its reader's program sees it."""
    return email.message_from_bytes(body, policy=email.policy.default)


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """Return the text of a mail, or its HTML."""
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


@contextmanager
def post_office(port: int = 0, **script: object) -> Iterator[Post]:
    """Run a mail server in a thread; `script` are fields of its script."""
    box = TimedBox()
    with Sink(Script(**script), box, port=port) as sink:  # type: ignore[arg-type]
        yield Post(sink, box)
