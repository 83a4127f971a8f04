"""What a webhook posts: the body, its headers and query, and its signature (spec: channels.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from standardwebhooks import Webhook

from app.channels.notice import EventPart, Notice
from app.channels.webhook_options import WebhookOptions
from app.secrets import Secret

MOST_BODY = 1024 * 1024
_VARIABLE = re.compile(r"\$(eventId|source|severity|integration|subscriptionId)\b")
# What no header can hold, though a variable may bring it.
_NOT_IN_A_HEADER = re.compile(r"[^\x20-\x7e]")


def payload(options: WebhookOptions, notice: Notice) -> bytes:
    """Return the body: the events as they were stored, byte for byte, in one JSON object.

    Traces go along while the whole has at most 1 MiB; the last ones are left out first.
    """
    head = (
        f'{{"type":"{notice.type}","timestamp":"{_moment(notice.at)}",'
        f'"subscriptionId":"{notice.subscription_id}","attributes":{_attributes(options, notice)}'
    )
    events = ",".join(_events(notice.events, MOST_BODY - len(head.encode())))
    return f'{head},"events":[{events}]}}'.encode()


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _attributes(options: WebhookOptions, notice: Notice) -> str:
    """Return the Body attributes as JSON."""
    told = [one for one in options.attributes if one.type == "Body"]
    if not told:
        return "[]"
    values = _values(options, notice)
    pairs = [{"key": one.key, "value": _filled(one.value, values)} for one in told]
    return json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))


def _events(events: Sequence[EventPart], room: int) -> list[str]:
    """Return the events as text, with as many traces as there is room for, from the first on."""
    if not any(one.trace for one in events):
        return [one.document for one in events]
    room -= sum(len(one.document.encode()) + 1 for one in events)
    told = []
    for one in events:
        more = ""
        if one.trace:
            more = f',"trace":{json.dumps(one.trace, ensure_ascii=False)}'
            size = len(more.encode("utf-8", "replace"))
            if size > room:
                more, size = ',"traceLeftOut":true', 20
            room -= size
        told.append(f"{one.document[:-1]}{more}}}")
    return told


def signers(secrets: Mapping[str, Secret]) -> list[Webhook]:
    """Return what signs the messages: with the new secret, and with the old one in a rotation."""
    names = ("signingSecret", "previousSigningSecret")
    return [Webhook(secrets[name].reveal()) for name in names if secrets.get(name)]


def headers(
    options: WebhookOptions,
    signed_by: Sequence[Webhook],
    notice: Notice,
    body: bytes,
    now: datetime,
) -> dict[str, str]:
    """Return the headers of one attempt at `now`, signed over `body` by Standard Webhooks 1.0.0."""
    given = [one for one in options.attributes if one.type == "Header"]
    values = _values(options, notice) if given else {}
    made = {one.key: _NOT_IN_A_HEADER.sub("?", _filled(one.value, values)) for one in given}
    made |= {
        "Content-Type": "application/json",
        "webhook-id": notice.id,
        "webhook-timestamp": str(int(now.timestamp())),
    }
    if signed_by:
        text = body.decode()
        made["webhook-signature"] = " ".join(one.sign(notice.id, now, text) for one in signed_by)
    return made


def query(options: WebhookOptions, notice: Notice) -> str:
    """Return what the Query attributes add to that of the URL, encoded."""
    pairs = [(one.key, one.value) for one in options.attributes if one.type == "Query"]
    if not pairs:
        return ""
    values = _values(options, notice)
    return urlencode([(key, _filled(value, values)) for key, value in pairs])


def _values(options: WebhookOptions, notice: Notice) -> dict[str, str]:
    """Return the variables; of several events, those of the first one."""
    if not any("$" in one.value for one in options.attributes):
        return {}
    facts: dict[str, Any] = notice.events[0].facts
    found = {name: facts.get(name) for name in ("source", "severity", "integration")}
    found |= {"eventId": facts.get("id"), "subscriptionId": notice.subscription_id}
    return {name: "" if value is None else str(value) for name, value in found.items()}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text) if values else text
