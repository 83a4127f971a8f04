"""What an HTTP channel is given to send: one notification of one event, or of several at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

FIRING, RESOLVED, TEST = "event.firing", "event.resolved", "test"


@dataclass(frozen=True)
class EventPart:
    """One event: `document` is its JSON text as the API shows it, made once when it was taken.

    `trace` is not in the document; it is left out where it would be too much.
    """

    id: str
    document: str
    trace: str | None = None

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The document, decoded."""
        decoded: dict[str, Any] = json.loads(self.document)
        return decoded


@dataclass(frozen=True)
class Notice:
    """One notification; `id` is the same on every attempt, so that a receiver can drop doubles.

    `type` is FIRING, RESOLVED or TEST; `subscription_id` names the lane; `at` is when it was made.
    `link` leads to its page.
    """

    id: str
    type: str
    subscription_id: str
    at: datetime
    events: tuple[EventPart, ...]
    link: str = ""
