"""What a webhook posts: the body, and what attributes add to its headers and query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from app.channels.notice import EventPart, Notice
from app.channels.webhook_options import WebhookOptions

# Traces are left out where the whole would be more.
MOST_BODY = 1024 * 1024
_VARIABLE = re.compile(r"\$([A-Za-z]+)")
# What no header can hold, though a variable may bring it.
_NOT_IN_A_HEADER = re.compile(r"[^\x20-\x7e\xa0-\xff]")
_LEFT_OUT = ',"traceLeftOut":true'


def payload(options: WebhookOptions, notice: Notice) -> bytes:
    """Return the body: the events as they were stored, byte for byte, in one JSON object.

    Traces go along while the whole has at most 1 MiB; the last ones are left out first.
    """
    attributes = [{"key": key, "value": value} for key, value in _filled(options, notice, "Body")]
    told = json.dumps(attributes, ensure_ascii=False, separators=(",", ":")) if attributes else "[]"
    at = notice.at.isoformat().replace("+00:00", "Z")
    opening = (
        f'{{"type":"{notice.type}","timestamp":"{at}",'
        f'"subscriptionId":"{notice.subscription_id}","attributes":{told},"events":['
    )
    events = ",".join(_events(notice.events, MOST_BODY - len(opening.encode()) - 2))
    return f"{opening}{events}]}}".encode()


def _events(events: Sequence[EventPart], room: int) -> list[str]:
    """Return the events as text of at most `room` bytes, if leaving out traces is enough."""
    traces = [
        f',"trace":{json.dumps(one.trace, ensure_ascii=False)}' if one.trace else ""
        for one in events
    ]
    if any(traces):
        size = sum(len(one.document.encode()) for one in events) + len(events) - 1
        size += sum(len(trace.encode()) for trace in traces)
        for at in reversed([at for at, trace in enumerate(traces) if trace]):
            if size <= room:
                break
            size += len(_LEFT_OUT) - len(traces[at].encode())
            traces[at] = _LEFT_OUT
    return [
        f"{one.document[:-1]}{trace}}}" if trace else one.document
        for one, trace in zip(events, traces, strict=True)
    ]


def headers(options: WebhookOptions, notice: Notice) -> dict[str, str]:
    """Return the headers of a message; what a variable brings that no header holds becomes ?."""
    made = {
        key: _NOT_IN_A_HEADER.sub("?", value).strip()
        for key, value in _filled(options, notice, "Header")
    }
    return {**made, "Content-Type": "application/json"}


def query(options: WebhookOptions, notice: Notice) -> str:
    """Return what the Query attributes add to that of the URL, encoded."""
    pairs = _filled(options, notice, "Query")
    return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs)


def veils(options: WebhookOptions, notice: Notice) -> list[str]:
    """Return what an answer must not repeat: the values of the headers and the query."""
    kinds = ("Header", "Query")
    return [value for kind in kinds for _, value in _filled(options, notice, kind)]


def _filled(options: WebhookOptions, notice: Notice, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the attributes of a kind, with the variables of the first event."""
    values: Mapping[str, str] | None = None
    for one in options.attributes:
        if one.type != kind:
            continue
        if "$" not in one.value:
            yield one.key, one.value
            continue
        values = values or _values(notice)
        yield one.key, _replaced(one.value, values)


def _values(notice: Notice) -> dict[str, str]:
    first = notice.events[0]
    facts: dict[str, Any] = first.facts
    found = {name: facts.get(name) for name in ("source", "severity", "integration")}
    found |= {"eventId": first.id, "subscriptionId": notice.subscription_id}
    return {name: "" if value is None else str(value) for name, value in found.items()}


def _replaced(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with its variables replaced; a word that is none stays as it was typed."""
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)
