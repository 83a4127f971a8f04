"""The subject of a mail: read on a lock screen, the most important first."""

from __future__ import annotations

import re

from app.domain.kinds import Direction, Kind, Why
from app.rendering.told import DirectionMail, FailureLine, FailureMail
from app.words import count, cut, one_line

LONGEST = 150
LONGEST_PREFIX = 100
LONGEST_NAME = 40
_LEAST_ERROR = 24
_JOINTS = re.compile(r"\b(to|and|from)\b|[\W_]+")


def subject(mail: FailureMail) -> str:
    """Return prefix, route, what failed, why, how often, and the integration's own name."""
    return composed(mail.prefix, headline(mail), _errors(mail), _in_a_row(mail) + own_name(mail))


def composed(prefix: str, start: str, detail: str = "", tail: str = "") -> str:
    """Return a subject of the four; `start` and `tail` come in one line.

    Without its prefix at most 150 characters: the detail is cut first, since the counts and the
    name behind it tell two mails apart.
    """
    start = cut(start, LONGEST - len(tail))
    room = LONGEST - len(start) - len(tail) - 2
    told = f": {cut(one_line(detail), room)}" if detail and room >= _LEAST_ERROR else ""
    return f"{cut(one_line(prefix), LONGEST_PREFIX)} {start}{told}{tail}".strip()


def headline(mail: FailureMail) -> str:
    """Return what happened, in one clause that starts with the route."""
    if mail.kind is Kind.PROCESSING:
        # Not "works again": a job that runs again leaves the entities as they are.
        return f"{route(mail)}: {_what(mail)} failed to synchronise"
    if mail.recovered_at:
        return f"{route(mail)} failed, works again"
    if mail.why is Why.NOT_ACCESSIBLE:
        return f"{route(mail)} cannot reach {_place(mail)}"
    return f"{route(mail)} failing"


def route(mail: DirectionMail) -> str:
    """Return the two systems in the direction told of; unnamed ones: the integration."""
    ends = [cut(one_line(name), LONGEST_NAME) for name in (mail.system1, mail.system2)]
    if not all(ends):
        return cut(one_line(mail.integration), LONGEST_NAME)
    return " → ".join(ends if mail.direction is Direction.FORWARD else reversed(ends))


def entity(failure: FailureLine) -> str:
    """Return type and id of the entity, as far as they are known."""
    return one_line(f"{failure.entity_type or ''} {failure.entity_id or ''}")


def _what(mail: FailureMail) -> str:
    """Return who failed: an entity can fail with two error codes, so rows are not entities."""
    known = {entity(failure) for failure in mail.failures}
    if mail.total == len(mail.failures) and len(known) == 1:
        return cut(known.pop(), 2 * LONGEST_NAME) or "one entity"
    if mail.total > len(mail.failures) > len(known):
        return f"at least {len(known):,} entities"
    unlisted = mail.total - len(mail.failures)
    return f"{len(known) + unlisted:,} entities"


def _place(mail: FailureMail) -> str:
    closed = next((failure for failure in mail.failures if not failure.accessible), None)
    if closed and closed.project:
        return f"project {cut(one_line(closed.project), LONGEST_NAME)}"
    return cut(entity(closed), LONGEST_NAME) if closed and entity(closed) else "project or entity"


def _errors(mail: FailureMail) -> str:
    """Return the first error and how many more, or the code that a whole digest shares."""
    first = error(mail.failures[0])
    if mail.total == 1:
        return first
    if mail.kind is Kind.GLOBAL:
        more = f"and {count(mail.total - 1, 'more error')}"
        return f"{cut(first, LONGEST // 2)} {more}" if first else count(mail.total, "error")
    codes = {failure.error_code for failure in mail.failures}
    shared = one_line(codes.pop() or "") if len(codes) == 1 else ""
    return shared if mail.total == len(mail.failures) else ""


def error(failure: FailureLine) -> str:
    """Return code and message in one line; the message often starts with its code already."""
    code, message = one_line(failure.error_code or ""), one_line(failure.message[: 4 * LONGEST])
    return message if message.startswith(code) else f"{code} {message}".strip()


def _in_a_row(mail: FailureMail) -> str:
    often = mail.kind is Kind.GLOBAL and (mail.occurrences or 0) > 1
    return f" ({mail.occurrences:,} in a row)" if often else ""


def own_name(mail: DirectionMail) -> str:
    """Return the integration's name as the end of a subject, unless the route says it already."""
    name = one_line(mail.integration)
    if route(mail) == cut(name, LONGEST_NAME):
        return ""
    rest = name.casefold()
    for system in sorted((one_line(mail.system1), one_line(mail.system2)), key=len, reverse=True):
        rest = rest.replace(system.casefold(), " ")
    return f" · {cut(name, LONGEST_NAME)}" if _JOINTS.sub("", rest) else ""
