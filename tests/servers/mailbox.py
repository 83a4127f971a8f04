"""What the sink got: mails, commands and counts, in memory and as files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mail:
    """A mail that was accepted; `connection` counts from 1."""

    sender: str
    recipients: tuple[str, ...]
    body: bytes
    connection: int


class Box:
    """What a sink got: mails, commands (as they came), and counts."""

    def __init__(self, spool: Path | None = None, *, keep: bool = True) -> None:
        self.mails: list[Mail] = []
        self.commands: list[str] = []
        self.counts: Counter[str] = Counter()
        self._spool, self._keep = spool, keep

    def take(self, mail: Mail) -> None:
        """Keep a mail, and write it to the spool: one line of JSON, then its bytes."""
        self.counts["mails"] += 1
        self.counts["recipients"] += len(mail.recipients)
        if self._keep:
            self.mails.append(mail)
        if self._spool:
            envelope = {"sender": mail.sender, "recipients": mail.recipients}
            path = self._spool / f"{self.counts['mails']:08}.eml"
            path.write_bytes(json.dumps(envelope).encode() + b"\n" + mail.body)

    def command(self, line: bytes) -> None:
        """Note a command."""
        self.counts["commands"] += 1
        if self._keep:
            self.commands.append(line.decode("utf-8", "replace"))

    @property
    def verbs(self) -> list[str]:
        """The first word of each command so far."""
        return [line.partition(" ")[0].upper() for line in self.commands]
