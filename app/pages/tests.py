"""What became of a test mail, in the words in which every screen shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.kinds import FINAL_STATES, DeliveryKind, RecipientState, Verdict
from app.errors import NotFound
from app.pages.times import length
from app.services.installation import Installation
from app.services.reading import deliveries
from app.services.reading.deliveries import AttemptDocument, DeliveryWithAttempts
from app.services.reading.recipients import Recipient

_QUEUED = re.compile(r"(?:queued as|queue id|id=)\s*([A-Za-z0-9._-]{3,100})", re.IGNORECASE)
_WHO = {"C: ": "client", "S: ": "server"}


@dataclass(frozen=True)
class Shown:
    """A test as macros/test_result.html shows it; `over`: its verdict is there.

    `colour` is success, warning (some got it), danger or info; `cause` says why it failed, and
    what to do; `lines` are those of the conversation, each with who said it.
    """

    id: int
    over: bool
    colour: str
    headline: str
    cause: str = ""
    took: str = ""
    queue_id: str = ""
    people: Sequence[Recipient] = ()
    lines: Sequence[tuple[str, str]] = ()


def shown(site: Installation, delivery_id: int) -> Shown:
    """Return what became of the test of this delivery; raises NotFound, also for other mail."""
    found = deliveries.one(site, delivery_id)
    if found.kind is not DeliveryKind.TEST:
        raise NotFound(f"The delivery {delivery_id} is no test.")
    attempt = found.attempts[-1] if found.attempts else None
    if found.state not in FINAL_STATES or attempt is None:
        where = "is being sent" if attempt else "waits for a worker"
        return Shown(delivery_id, False, "info", f"The test mail {where} …")
    return _over(found, attempt)


def _over(found: DeliveryWithAttempts, attempt: AttemptDocument) -> Shown:
    people = found.recipients
    took = sum(one.state is RecipientState.ACCEPTED for one in people)
    whole = bool(people) and took == len(people)
    colour, headline = _verdict(attempt, took, len(people))
    return Shown(
        id=int(found.id),
        over=True,
        colour=colour,
        headline=headline,
        cause="" if whole else attempt.answer or "",
        took=f"It took {length((attempt.duration_ms or 0) / 1000)}" if attempt.duration_ms else "",
        queue_id=queue_id(attempt.answer or "", attempt.transcript or "") if took else "",
        people=() if whole else people,
        lines=spoken(attempt.transcript or ""),
    )


def _verdict(attempt: AttemptDocument, took: int, people: int) -> tuple[str, str]:
    some = f"{took} of {people} recipients"
    if took and took == people:
        return "success", f"Test mail accepted for {some}."
    if took:
        return "warning", f"Test mail accepted in part: for {some}."
    if attempt.verdict is Verdict.UNKNOWN:
        return "warning", "What became of the test mail is not known."
    return "danger", "The test mail was not sent."


def queue_id(answer: str, transcript: str) -> str:
    """Return the id that the server gave the mail in its last words, or nothing."""
    replies = [line[3:] for line in transcript.splitlines() if line.startswith("S: ")]
    for text in (answer, *reversed(replies)):
        found = _QUEUED.search(text)
        if found:
            return found[1]
    return ""


def spoken(transcript: str) -> list[tuple[str, str]]:
    """Return the lines of a conversation, each with who said it: client, server or note."""
    marks = {"client": "> ", "server": "< ", "note": "  "}
    lines = []
    for line in transcript.splitlines():
        who = _WHO.get(line[:3], "note")
        lines.append((who, marks[who] + (line if who == "note" else line[3:]).strip()))
    return lines
