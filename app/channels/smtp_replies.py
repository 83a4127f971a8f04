"""What a reply of a mail server means (RFC 5321, 3463), decided without any connection."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from app.domain.kinds import Fail, RecipientState

_REPLY = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_MAX_REPLY = 65_536
_MAX_TEXT = 4_000
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
LOGIN = (530, 534, 535)
_TOO_LARGE = ("5.3.4", "5.2.3")
_TEMPORARY, _FINAL = 4, 5
CHALLENGE, START, CLOSING = 334, 354, 421
_STORAGE = 552
_SHOWN = 1000


class Reply(NamedTuple):
    """One reply; `text` is without codes, one line for each line of the reply."""

    code: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether the server agreed."""
        return self.code // 100 == 2  # noqa: PLR2004 - RFC 5321, 4.2.1

    @property
    def enhanced(self) -> str:
        """The enhanced status code, or nothing."""
        match = _ENHANCED.match(self.text)
        return match[0] if match else ""

    @property
    def line(self) -> str:
        """The text as one line of at most 1,000 characters."""
        return self.text.replace("\n", " ")[:_SHOWN]

    def __str__(self) -> str:
        return f"{self.code} {self.line}".strip()


def receive(line: Callable[[int], bytes], clean: Callable[[bytes], str]) -> Reply:
    """Return the reply whose lines `line` yields, 64 KiB at most; ValueError: what came instead."""
    texts: list[str] = []
    left = _MAX_REPLY
    while left > 0:
        data = line(_MAX_REPLY)
        match = _REPLY.fullmatch(data)
        if not match:
            raise ValueError(f"it said {clean(data[:60])!r}")
        texts.append(clean(match[3] or b""))
        if match[2] != b"-":
            return Reply(int(match[1]), "\n".join(texts)[:_MAX_TEXT])
        left -= len(data) + 1
    raise ValueError("an endless reply")


def configuration(reply: Reply) -> bool:
    """Return whether a refusal is about login or policy, which the mail itself cannot mend.

    5.7.x under any 5xx: Postfix refuses to relay with 554 5.7.1, Exchange with 550 5.7.1, and
    Exim says 550 with the word relay only.
    """
    if reply.code in LOGIN:
        return True
    relaying = not reply.enhanced and "relay" in reply.text.lower()
    return reply.code // 100 == _FINAL and (reply.enhanced.startswith("5.7.") or relaying)


def too_large(reply: Reply) -> bool:
    """Return whether the mail was refused for its size; 552 5.2.2 is a full mailbox."""
    if reply.code // 100 != _FINAL:
        return False
    return reply.enhanced in _TOO_LARGE or (reply.code == _STORAGE and not reply.enhanced)


def state(reply: Reply) -> RecipientState:
    """Return what a reply to RCPT makes of the recipient.

    A 5xx is final, but for faults of the configuration: once mended, the mail shall still go.
    """
    if reply.ok:
        return RecipientState.ACCEPTED
    if reply.code // 100 == _FINAL and not configuration(reply):
        return RecipientState.REJECTED
    return RecipientState.DEFERRED


def reason(reply: Reply) -> Fail:
    """Return why a verb was refused: login or policy, size, the server for now, or our request."""
    if configuration(reply):
        return Fail.AUTH_ERROR
    if too_large(reply):
        return Fail.TOO_LARGE
    return Fail.SERVER_ERROR if reply.code // 100 == _TEMPORARY else Fail.CLIENT_ERROR
