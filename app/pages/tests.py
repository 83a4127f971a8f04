"""What became of a test, in the words in which every screen shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.kinds import FINAL_STATES, RecipientState, Verdict
from app.pages.times import length
from app.services.reading.attempts import AttemptDocument
from app.services.reading.deliveries import DeliveryWithAttempts
from app.services.reading.recipients import Recipient

_QUEUED = re.compile(r"(?:queued as|queue id|id=)\s*([A-Za-z0-9._-]{3,100})", re.IGNORECASE)
_WHO = {"C: ": "client", "S: ": "server"}


@dataclass(frozen=True)
class Shown:
    """A test as macros/test_result.html shows it; `over`: its verdict is there.

    `colour` is success, warning (some got it), danger or info; `cause` says why it failed, and
    what to do; `lines` are those of the conversation, each with who said it.
    """

    over: bool
    colour: str
    headline: str
    cause: str = ""
    took: str = ""
    queue_id: str = ""
    people: Sequence[Recipient] = ()
    lines: Sequence[tuple[str, str]] = ()


def shown(found: DeliveryWithAttempts) -> Shown:
    """Return what became of the test that `found` is."""
    attempt, people = found.attempts[-1] if found.attempts else None, found.recipients
    if found.state not in FINAL_STATES or attempt is None:
        where = "is being sent" if attempt else "waits for a worker"
        return Shown(False, "info", f"The test {'mail' if people else 'message'} {where} …")
    if not people:
        return _over_http(attempt)
    took = sum(one.state is RecipientState.ACCEPTED for one in people)
    whole = bool(people) and took == len(people)
    colour, headline = _verdict(attempt, took, len(people))
    return Shown(
        over=True,
        colour=colour,
        headline=headline,
        cause="" if whole else attempt.answer or "",
        took="" if attempt.duration_ms is None else length(attempt.duration_ms / 1000),
        queue_id=queue_id(attempt.answer or "", attempt.transcript or "") if took else "",
        people=() if whole else people,
        lines=spoken(attempt.transcript or ""),
    )


def _over_http(attempt: AttemptDocument) -> Shown:
    """Return what an endpoint made of a test: over HTTP there are no recipients."""
    colour, headline = {
        Verdict.OK: ("success", "The endpoint accepted the test message"),
        Verdict.UNKNOWN: ("warning", "What became of the test message is not known"),
    }.get(attempt.verdict or Verdict.FAILED, ("danger", "The test message was not accepted"))
    took = "" if attempt.duration_ms is None else length(attempt.duration_ms / 1000)
    return Shown(True, colour, headline, attempt.answer or "", took)


def _verdict(attempt: AttemptDocument, took: int, people: int) -> tuple[str, str]:
    some = f"{took} of {people} recipient{'' if people == 1 else 's'}"
    if took and took == people:
        return "success", f"The test mail was accepted: {some}"
    if took:
        return "warning", f"The test mail was accepted in part: {some}"
    if attempt.verdict is Verdict.UNKNOWN:
        return "warning", "What became of the test mail is not known"
    return "danger", "The test mail was not accepted"


def queue_id(answer: str, transcript: str) -> str:
    """Return the id that the server gave the mail in its last words, or nothing."""
    replies = [line[3:] for line in transcript.splitlines() if line.startswith("S: ")]
    for text in (answer, *reversed(replies)):
        found = _QUEUED.search(text)
        if found:
            return found[1].rstrip(".")
    return ""


def spoken(transcript: str) -> list[tuple[str, str]]:
    """Return the lines of a conversation, each with who said it: client, server or note."""
    marks = {"client": "> ", "server": "< ", "note": "  "}
    lines = []
    for line in transcript.splitlines():
        who = _WHO.get(line[:3], "note")
        lines.append((who, marks[who] + (line if who == "note" else line[3:]).strip()))
    return lines
