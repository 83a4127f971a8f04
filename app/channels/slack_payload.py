"""What is posted to Slack: text and blocks within its limits, and no markup but our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from app.channels.http_fitting import beginning, fitted, listed, trace_head
from app.channels.http_links import Link
from app.channels.http_told import Told, told
from app.channels.notice import Notice

# Together less than the 12,000 characters that a message may have.
HEADER, TITLE, FACT, LABELS, DESCRIPTION, TRACE, LINK = 150, 800, 500, 1_000, 2_000, 2_400, 2_000
LINES = 2_800
_NO_WIDTH = "\u200b"

Block = dict[str, Any]


def payload(notice: Notice) -> bytes:
    """Return the body, in UTF-8."""
    event = told(notice)
    text = _headline(event, 2 * HEADER)
    document = {"text": escaped(text), "blocks": list(_blocks(event))}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def escaped(text: str) -> str:
    """Return `text` without the three characters that Slack makes mentions and links of."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def size(text: str) -> int:
    """Return how many characters `text` takes at the most: an emoji may count as two."""
    return len(escaped(text).encode("utf-16-le")) // 2


def _headline(event: Told, most: int) -> str:
    return fitted(f"{event.mark} {event.headline}", most - size(event.tail), size) + event.tail


def _blocks(event: Told) -> Iterator[Block]:
    header = _headline(event, HEADER)
    yield {"type": "header", "text": _plain(header)}
    if event.headline not in header:
        yield _section(fitted(event.headline, TITLE, size))
    if event.facts:
        fields = [_plain(fitted(f"{name}\n{value}", FACT, size)) for name, value in event.facts]
        yield {"type": "section", "fields": fields}
    if event.labels:
        yield _section(fitted(f"Labels\n{event.labels}", LABELS, size))
    yield from _texts(event)
    for link in event.links:
        yield _link(link)


def _texts(event: Told) -> Iterator[Block]:
    """Yield what has lines of its own, each with a word about what was cut."""
    text, rest = beginning(event.description, DESCRIPTION, size)
    if text.strip():
        yield _section("\n".join(filter(None, (text, rest))))
    if event.lines:
        lines, rest = listed(event.lines, event.total, "event", LINES, size)
        yield _section("\n".join(filter(None, (*lines, rest))))
    trace, rest = trace_head(event.trace, TRACE, _code_size)
    if trace:
        yield _marked(f"```\n{_code(chr(10).join(trace))}\n```\n{rest}".rstrip("\n"))
    if event.untold:
        yield _section(event.untold)


def _code(text: str) -> str:
    """Return `text` as it stands between two ```: no run of it may end the block."""
    return escaped(text).replace("``", f"`{_NO_WIDTH}`").replace("``", f"`{_NO_WIDTH}`")


def _code_size(text: str) -> int:
    return len(_code(text).encode("utf-16-le")) // 2


def _link(link: Link) -> Block:
    url = escaped(link.url)
    if len(url) > LINK:
        return _section(f"{link.words}: its address is too long for Slack, see it in Tocsin.")
    return _marked(f"<{url}|{link.words}>")


def _section(text: str) -> Block:
    return {"type": "section", "text": _plain(text)}


def _plain(text: str) -> Block:
    """Return a text in which nothing is markup."""
    return {"type": "plain_text", "text": escaped(text), "emoji": False}


def _marked(text: str) -> Block:
    """Return a section with markup; `verbatim`: Slack looks for no names and addresses in it."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
