"""What several services are told alike: which event, how bad it is, its title and its key."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from app.channels.notice import RESOLVED, TEST, EventPart, Notice
from app.words import count

_SEVERITIES = ("critical", "error", "warning", "info")
_HASH = 32  # hexadecimal digits: nobody finds two keys that are cut to the same one
_ODD = re.compile(r"[^0-9A-Za-z_-]+")


def told(notice: Notice) -> EventPart:
    """Return the event that stands for all of a notice: the newest that is as the notice says."""
    wanted = "resolved" if notice.type == RESOLVED else "firing"
    fitting = [one for one in notice.events if one.facts.get("status", "firing") == wanted]
    return (fitting or notice.events)[-1]


def severity(notice: Notice, event: EventPart) -> str:
    """Return critical, error, warning or info; critical is kept in what was received only."""
    if notice.type == TEST:
        return "info"
    if event.facts.get("severityReceived") == "critical":
        return "critical"
    found = str(event.facts.get("severity"))
    return found if found in _SEVERITIES else "error"


def title(notice: Notice, event: EventPart, longest: int, link: str = "") -> str:
    """Return one line: the title, and how many more events there are.

    Where it is cut it says so and ends with the link, unless that would take half of it.
    """
    more = len(notice.events) - 1
    end = f" (and {count(more, 'more event')})" if more else ""
    said = str(event.facts.get("title") or "") or "An event without a title"
    if len(said) + len(end) <= longest:
        return said + end
    end = f"…{end}"
    if link and len(end) + len(link) < longest // 2:
        end = f"{end} {link}"
    return said[: longest - len(end)] + end


def key(notice: Notice, event: EventPart) -> str:
    """Return what a service knows an event by: its dedup key, or one made of its id.

    It is equal on each attempt, and for the event that resolves it. That of a test is its own, so
    that it touches nothing else.
    """
    if notice.type == TEST:
        return f"tocsin-test-{notice.id}"
    given: Any = event.facts.get("dedupKey")
    return str(given) if given and str(given).strip() else f"tocsin-{event.id}"


def bounded(key: str, longest: int) -> str:
    """Return `key` with at most `longest` characters; no two that are cut become the same."""
    return key if len(key) <= longest else hashed(key, longest)


def hashed(key: str, longest: int) -> str:
    """Return the beginning of `key` in plain letters with a hash of all of it."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{_ODD.sub('_', key)[: longest - _HASH - 1]}-{digest}"
