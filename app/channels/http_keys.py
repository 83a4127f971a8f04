"""The key by which a service knows an event again: equal on each attempt, and for its resolve."""

from __future__ import annotations

import hashlib
import re

from app.channels.notice import RESOLVED, TEST, EventPart, Notice

_HASH = 32  # hexadecimal digits: nobody finds two keys that are cut to the same one
_DIGITS = re.compile(r"[^0-9A-Za-z_-]+")


def told(notice: Notice) -> EventPart:
    """Return the event that stands for all of a notice: the newest that is as the notice says."""
    wanted = "resolved" if notice.type == RESOLVED else "firing"
    fitting = [one for one in notice.events if one.facts.get("status", "firing") == wanted]
    return (fitting or notice.events)[-1]


def key(notice: Notice, event: EventPart) -> str:
    """Return the key of an event of `notice`: its dedup key, or one made of its id.

    That of a test is its own, so that it touches nothing else.
    """
    if notice.type == TEST:
        return f"tocsin-test-{notice.id}"
    given = event.facts.get("dedupKey")
    return str(given) if given and str(given).strip() else f"tocsin-{event.id}"


def bounded(key: str, longest: int) -> str:
    """Return `key` with at most `longest` characters; of two long ones no two become the same."""
    return key if len(key) <= longest else hashed(key, longest)


def hashed(key: str, longest: int) -> str:
    """Return the beginning of `key` in plain letters with a hash of all of it."""
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:_HASH]
    return f"{_DIGITS.sub('_', key)[: longest - _HASH - 1]}-{digest}"
