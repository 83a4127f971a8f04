"""One intake transaction: ids answered once, failures and activity applied, lanes woken after."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import Connection

from app.clock import utc_now
from app.errors import Conflict, NotFound, TocsinError
from app.failpoints import reach
from app.models import Idempotency
from app.services import counts
from app.services.group_commit import fill
from app.services.installation import Installation
from app.services.intake.activity import take_activity
from app.services.intake.apply import take_failure
from app.services.intake.loading import load
from app.services.intake.reports import Answer, FailureBody, Report, Result
from app.services.intake.rows import FailureRow, TraceRow
from app.services.intake.state import Batch
from app.services.intake.writing import write
from app.services.sql import insert_missing, pair_values, patiently, where_pairs
from app.storage import Contended

ClientKey = tuple[int, str]


@dataclass(frozen=True)
class Prepared:
    """A report with what can be worked out before the transaction."""

    report: Report
    fingerprint: bytes
    trace: TraceRow | None

    @property
    def key(self) -> ClientKey | None:
        """The idempotency key, unique per API key."""
        client_id = self.report.client_id
        return None if client_id is None else (self.report.api_key_id, client_id)


def prepare(report: Report) -> Prepared:
    """Hash the body and compress the trace, outside of the transaction."""
    fingerprint = report.fingerprint() if report.client_id is not None else b""
    trace = report.body.trace if isinstance(report.body, FailureBody) else None
    return Prepared(report, fingerprint, compress(trace) if trace else None)


def compress(trace: str) -> TraceRow:
    """Return a trace as it is stored, with its hash."""
    raw = trace.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(raw).digest()
    return TraceRow(digest, zlib.compress(raw, 1), len(raw), len(trace.splitlines()))


class _Draft:
    """The answer of one report; the ids in it are known after the rows are written."""

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint = fingerprint
        self.failure: FailureRow | None = None
        self.counted = 0
        self.stored = False
        self.document: dict[str, Any] = {}

    def finish(self) -> dict[str, Any]:
        """Return the document, with the id of the failure."""
        if self.failure is not None:
            self.document["failure"] = {
                "id": str(self.failure.id),
                "count": self.counted,
                "state": str(self.failure.state),
            }
            self.document["event"] = None
        return self.document


def record(site: Installation, prepared: Sequence[Prepared]) -> Sequence[Result]:
    """Store all of `prepared` in one durable transaction, then wake what is due at once.

    One result each, in order: the answer, or Conflict or NotFound for that report alone. Raises
    StorageUnavailable when nothing could be stored. Idempotent by the reports' keys.
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
) -> tuple[list[Result], list[int]]:
    with site.store.writing() as connection:
        fill(prepared)
        answered = _answered(connection, prepared) if look else {}
        batch = load(connection, [item.report for item in prepared], utc_now())
        drafts = [_take(batch, item, answered) for item in prepared]
        write(connection, batch)
        results = [_result(draft) for draft in drafts]
        _remember(connection, batch, prepared, answered)
        counts.add(connection, batch.now, _taken(prepared, drafts))
        reach(1)
    return results, [mail.lane_id for mail in batch.deliveries if mail.at_once]


def _taken(prepared: Sequence[Prepared], drafts: Sequence[object]) -> Counter[str]:
    """Return how many reports were taken, by what they tell; not those that were repeated."""
    pairs = zip(prepared, drafts, strict=True)
    bodies = (item.report.body for item, draft in pairs if isinstance(draft, _Draft))
    return Counter(
        f"failures.{body.kind}" if isinstance(body, FailureBody) else "activity" for body in bodies
    )


Answered = dict[ClientKey, _Draft]


def _answered(connection: Connection, prepared: Sequence[Prepared]) -> Answered:
    keys = {item.key for item in prepared if item.key is not None}
    if not keys:
        return {}
    table = Idempotency.__table__
    query = where_pairs(connection, tuple(table.c), table.c.api_key_id, table.c.client_id)
    found: Answered = {}
    for row in connection.execute(query, pair_values(connection, keys)):
        draft = _Draft(row.body_hash)
        draft.document, draft.stored = dict(row.answer), True
        found[(row.api_key_id, row.client_id)] = draft
    return found


class _Repeated:
    """A report whose key has been answered already."""

    def __init__(self, draft: _Draft) -> None:
        self.draft = draft


def _take(batch: Batch, item: Prepared, answered: Answered) -> _Draft | _Repeated | TocsinError:
    """Apply one report to the working set, unless its key was answered or it cannot be taken."""
    if item.key is not None and item.key in answered:
        earlier = answered[item.key]
        if earlier.fingerprint == item.fingerprint:
            return _Repeated(earlier)
        return Conflict(f"The id {item.key[1]!r} was used before with another body.")
    report = item.report
    if (report.integration_key, report.direction) not in batch.directions:
        return NotFound(f"There is no integration {report.integration_key!r}.")
    draft = _Draft(item.fingerprint)
    if item.trace is not None:
        batch.traces[item.trace.hash] = item.trace
    _apply(batch, item, draft)
    if item.key is not None:
        answered[item.key] = draft
    return draft


def _apply(batch: Batch, item: Prepared, draft: _Draft) -> None:
    body = item.report.body
    if isinstance(body, FailureBody):
        row = draft.failure = take_failure(batch, item.report, body)
        row.trace_hash = item.trace.hash if item.trace else row.trace_hash
        draft.counted = row.count
        draft.document = {"duplicate": False}
    else:
        recovered, resolved = take_activity(batch, item.report, body)
        draft.document = {"duplicate": False, "recovered": recovered, "resolved": resolved}


def _result(draft: _Draft | _Repeated | TocsinError) -> Result:
    if isinstance(draft, TocsinError):
        return draft
    if isinstance(draft, _Repeated):
        return Answer(draft.draft.finish() | {"duplicate": True})
    return Answer(draft.finish())


def _remember(
    connection: Connection, batch: Batch, prepared: Sequence[Prepared], answered: Answered
) -> None:
    """Keep the answers of new keys; where one was answered before: start over, and look it up."""
    fresh = {
        item.key: answered[item.key]
        for item in prepared
        if item.key is not None and item.key in answered and not answered[item.key].stored
    }
    rows = [
        {
            "api_key_id": key[0],
            "client_id": key[1],
            "body_hash": draft.fingerprint,
            "answer": draft.document,
            "created_at": batch.now,
        }
        for key, draft in sorted(fresh.items(), key=lambda entry: entry[0])
    ]
    if insert_missing(connection, Idempotency.__table__, rows) < len(rows):
        raise Contended("The same ids were answered before, or are at this moment.")
