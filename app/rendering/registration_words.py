"""A registration in plain words: who is told of what, and when (screens.md, Configure …)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NTH = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_UNITS = (("day", 1440), ("hour", 60), ("minute", 1))
Document = Mapping[str, Any]


def registration_sentence(document: Document) -> str:
    """Return what the registration `document` (as the API says it) does, in one or more sentences.

    Of several recipients the first is named.
    """
    backward = None if document["sameForBackward"] else document.get("backward")
    recovers = bool(document["tellRecovery"])
    forward = " ".join(_direction(document["forward"], recovers))
    if backward is None:
        return forward
    return f"Forward: {forward} Backward: {' '.join(_direction(backward, recovers))}"


def silence(minutes: int | None) -> str:
    """Return a length of silence in words: Off, 30 minutes, 6 hours, 2 days."""
    if minutes is None:
        return "Off"
    for unit, width in _UNITS:
        if minutes % width == 0:
            return f"{minutes // width} {unit}{'' if minutes == width else 's'}"
    raise AssertionError("every number is one of minutes")


def _direction(settings: Document, recovers: bool) -> Iterator[str]:
    people, processing = _people(settings["recipients"]), settings["processing"]
    if settings["global"]["enabled"]:
        yield f"Mails {people} {_listed(list(_occasions(settings['global'], recovers)))}."
    if not processing["enabled"]:
        yield "Processing failures are not mailed."
        return
    early = processing["beforeMaxRetries"]
    when = "before their retries are used up" if early else "once their retries are used up"
    if not settings["global"]["enabled"]:
        yield (
            f"Mails {_people(processing['recipients'] or settings['recipients'])} processing "
            f"failures {when}; failures of the job are not mailed."
        )
    elif processing["recipients"]:
        yield f"Processing failures go to {_people(processing['recipients'])} {when}."
    else:
        yield f"Processing failures follow {when}."


def _occasions(block: Document, recovers: bool) -> Iterator[str]:
    if block["immediately"]:
        yield "at each failure of the job at once"
    else:
        yield f"at the {_NTH[block['failureCount'] - 1]} failure in a row"
        yield "at once when the project cannot be reached"
    if block["noActivityMinutes"] is not None:
        yield f"when nothing happened for {silence(block['noActivityMinutes'])}"
    if recovers:
        yield "when it works again"


def _people(addresses: Sequence[str]) -> str:
    others = len(addresses) - 1
    if others < 1:
        return "".join(addresses)
    return f"{addresses[0]} and {others} other{'' if others == 1 else 's'}"


def _listed(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    joint = ", and " if len(parts) > 2 else " and "  # noqa: PLR2004 - the comma before "and"
    return ", ".join(parts[:-1]) + joint + parts[-1]
