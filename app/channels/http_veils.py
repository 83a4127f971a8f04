"""What is shown of an answer: the beginning of its body, in one line and without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from app.channels.http_reply import MOST_BODY, Reply

MOST_TEXT = 2_000
# Shorter ones would veil parts of common words.
_LEAST_VEILED = 6
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_CUT = "(the answer was not read in full)"


def spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return secrets as answers may spell them: as they are, in a URL, in JSON; longest first."""
    long = {one for one in secrets if len(one) >= _LEAST_VEILED}
    spelt = {
        *long,
        *(quote(one, safe="") for one in long),
        *(json.dumps(one)[1:-1] for one in long),
    }
    return tuple(sorted(spelt, key=len, reverse=True))


def shown(reply: Reply, veils: Iterable[str]) -> str:
    """Return the beginning of the body as one line without secrets."""
    coding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"identity", ""} and reply.content:
        return "(an encoded answer, which is not shown)"
    # Twice as much as is shown, so that no veiled text is cut into two that nobody knows.
    text = reply.content[: min(MOST_BODY, 8 * MOST_TEXT)].decode("utf-8", "replace")
    for veil in veils:
        text = text.replace(veil, "***")
    text = _CONTROL.sub(" ", text).strip()[:MOST_TEXT]
    return text if reply.whole else f"{text} {_CUT}".strip()
