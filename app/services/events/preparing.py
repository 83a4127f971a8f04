"""Events with all that can be worked out before their transaction: the text of the document."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from json import JSONEncoder
from json.encoder import encode_basestring as quoted  # in C
from typing import NamedTuple

from app.domain.catalogue import ENTRIES
from app.services.events.shapes import EventBody
from app.services.intake.recording import compress
from app.services.intake.rows import TraceRow

ClientKey = tuple[int, str]

_ROUTED = {"info": "info", "warning": "warning", "error": "error", "critical": "error"}
_LABELS = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class PreparedEvent(NamedTuple):
    """One event; `front` is the text of its document from behind its own id to `occurredAt`.

    `cell`: its source, and the severity that it is routed by. `occurred` None: as it is received.
    A tuple, since a thousand of them are made at once.
    """

    client_id: str | None
    fingerprint: bytes
    cell: tuple[str, str]
    status: str
    dedup_key: str | None
    order_key: int | None
    trace: TraceRow | None
    code: str | None
    front: str
    occurred: str | None


@dataclass(frozen=True)
class Prepared:
    """The events of one request, all of which are taken, or none."""

    api_key_id: int
    events: Sequence[PreparedEvent]


def prepare(api_key_id: int, bodies: Sequence[EventBody], received_at: datetime) -> Prepared:
    """Return the events of one request, outside of the transaction."""
    return Prepared(api_key_id, [_event(body, received_at) for body in bodies])


def _event(body: EventBody, received_at: datetime) -> PreparedEvent:
    source: str | None = body.source
    severity: str | None = body.severity
    title, at, key = body.title, body.occurred_at, body.dedup_key
    if source is None or severity is None or title is None:
        source, severity, title = _completed(body)
    routed = _ROUTED[severity]
    return PreparedEvent(
        client_id=body.id,
        fingerprint=b"" if body.id is None else _fingerprint(body),
        cell=(source, routed),
        status=body.status,
        dedup_key=key,
        order_key=None if key is None else order_key(key),
        trace=compress(body.trace) if body.trace else None,
        code=body.code,
        front=_front(body, source, routed, severity, title),
        occurred=None if at is None or at >= received_at else moment(at),
    )


def _completed(body: EventBody) -> tuple[str, str, str]:
    """Return source, severity and title with what the code gives, which there is then."""
    entry = ENTRIES[str(body.code)]
    source, severity = body.source or entry.source.value, body.severity or entry.severity.value
    return source, severity, body.title or entry.title


def _front(body: EventBody, source: str, routed: str, severity: str, title: str) -> str:
    labels = _LABELS(body.labels) if body.labels else "{}"
    # Codes of the catalogue are words of our own.
    code = "null" if body.code is None else f'"{body.code}"'
    return (
        f'","clientId":{_maybe(body.id)},"source":"{source}",'
        f'"severity":"{routed}","severityReceived":"{severity}",'
        f'"code":{code},"title":{quoted(title)},"description":{_maybe(body.description)},'
        f'"status":"{body.status}","dedupKey":{_maybe(body.dedup_key)},'
        f'"node":{_maybe(body.node)},"labels":{labels},"link":{_maybe(body.link)},"occurredAt":"'
    )


def _maybe(value: str | None) -> str:
    return "null" if value is None else quoted(value)


def whole(event: PreparedEvent, event_id: int, received: str, outcome: str) -> str:
    """Return the document of an event, as the API shows it and webhooks carry it."""
    return (
        f'{{"id":"{event_id}{event.front}{event.occurred or received}","receivedAt":"{received}",'
        f'"integration":null,"direction":null,"failure":null,"count":1,'
        f'"hasTrace":{"false" if event.trace is None else "true"},"outcome":"{outcome}"}}'
    )


def moment(at: datetime) -> str:
    """Return a time as the API writes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def order_key(dedup_key: str) -> int:
    """Return the number by which deliveries of one key keep their order; it fits 64 bits."""
    digest = hashlib.blake2b(dedup_key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _fingerprint(body: EventBody) -> bytes:
    """Return what makes it the same body: the fields that are given, without the id."""
    fields = body.model_dump_json(exclude={"id"}, exclude_unset=True)
    return hashlib.sha256(f"EventBody\n{fields}".encode("utf-8", "surrogatepass")).digest()
