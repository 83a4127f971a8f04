"""One transaction of events: ids that were answered before, decisions, deliveries, wake-ups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

from sqlalchemy import Connection

from app.clock import to_micros, utc_now
from app.errors import Conflict, TocsinError
from app.failpoints import reach
from app.models import Idempotency
from app.services import counts, routing
from app.services.events.inserting import Insert
from app.services.events.preparing import ClientKey, Prepared, PreparedEvent
from app.services.events.writing import write
from app.services.group_commit import fill
from app.services.installation import Installation
from app.services.sql import pair_values, patiently, where_pairs
from app.storage import Contended

Answer = dict[str, Any]
Result = Answer | TocsinError

_ANSWERED = Insert(Idempotency, "api_key_id client_id body_hash answer created_at", missing=True)


class _Known(NamedTuple):
    """An id that was used: by an event of `place` in this transaction, or by `event` before."""

    fingerprint: bytes
    place: int
    event: str | None = None


class _Entry(NamedTuple):
    """One event of a request: where its id is found, and whether it had been taken before."""

    known: _Known
    client_id: str | None
    duplicate: bool


@dataclass
class _Taking:
    """The events that one transaction takes; `known` are the ids that are answered."""

    known: dict[ClientKey, _Known]
    events: list[PreparedEvent] = field(default_factory=list)
    keys: dict[ClientKey, _Known] = field(default_factory=dict)

    def take(self, request: Prepared) -> list[_Entry] | Conflict:
        """Take all events of a request, or none."""
        found: list[_Entry] = []
        mine: dict[ClientKey, _Known] = {}
        new: list[PreparedEvent] = []
        for event in request.events:
            key = None if event.client_id is None else (request.api_key_id, event.client_id)
            earlier = None if key is None else mine.get(key) or self.known.get(key)
            if earlier is None:
                known = _Known(event.fingerprint, len(self.events) + len(new))
                new.append(event)
                if key is not None:
                    mine[key] = known
            elif earlier.fingerprint != event.fingerprint:
                return Conflict(f"The id {event.client_id!r} was used before with another body.")
            found.append(_Entry(earlier or known, event.client_id, earlier is not None))
        self.events += new
        self.known |= mine
        self.keys |= mine
        return found


def record(site: Installation, prepared: Sequence[Prepared]) -> Sequence[Result]:
    """Store all of `prepared` in one durable transaction, then wake what is due at once.

    One result each, in order: the answer, or Conflict for that request alone, of which nothing is
    taken then. Raises StorageUnavailable when nothing could be stored. Idempotent by client ids.
    """
    # The first try trusts that the ids are new, as they nearly always are; storing them tells.
    tries = count()
    results, lanes = patiently(lambda: _transaction(site, prepared, look=next(tries) > 0))
    reach(2)
    site.alarm.wake(sorted({str(lane) for lane in lanes}))
    reach(3)
    return results


def _transaction(
    site: Installation, prepared: Sequence[Prepared], *, look: bool
) -> tuple[list[Result], frozenset[int]]:
    with site.store.writing() as connection:
        fill(prepared)
        now = utc_now()
        taking = _Taking(_answered(connection, prepared) if look else {})
        taken = [taking.take(request) for request in prepared]
        written = write(connection, taking.events, routing.current(site, connection), now)
        _remember(connection, taking, written.ids, now)
        severities = Counter(event.cell[1] for event in taking.events)
        counts.add(connection, now, {f"events.{name}": n for name, n in severities.items()})
        reach(1)
    return [_result(entries, written.ids) for entries in taken], written.lanes


def _answered(connection: Connection, prepared: Sequence[Prepared]) -> dict[ClientKey, _Known]:
    keys = {
        (request.api_key_id, event.client_id)
        for request in prepared
        for event in request.events
        if event.client_id is not None
    }
    if not keys:
        return {}
    table = Idempotency.__table__
    query = where_pairs(connection, tuple(table.c), table.c.api_key_id, table.c.client_id)
    rows = connection.execute(query, pair_values(connection, keys))
    return {
        (row.api_key_id, row.client_id): _Known(row.body_hash, -1, str(row.answer.get("event")))
        for row in rows
    }


def _remember(connection: Connection, taking: _Taking, ids: Sequence[int], now: datetime) -> None:
    """Keep the answers of new ids; where one was answered before: start over, and look it up."""
    micros = to_micros(now)
    rows = [
        (*key, known.fingerprint, f'{{"event":"{ids[known.place]}"}}', micros)
        for key, known in sorted(taking.keys.items())
    ]
    if _ANSWERED.run(connection, rows) < len(rows):
        raise Contended("The same ids were answered before, or are at this moment.")


def _result(entries: list[_Entry] | Conflict, ids: Sequence[int]) -> Result:
    if isinstance(entries, Conflict):
        return entries
    events = [
        {
            "id": str(ids[known.place]) if known.event is None else known.event,
            "clientId": client_id,
            "duplicate": duplicate,
        }
        for known, client_id, duplicate in entries
    ]
    duplicates = sum(entry.duplicate for entry in entries)
    return {
        "accepted": len(events) - duplicates,
        "duplicates": duplicates,
        "events": events,
    }
