"""Which events a filter means, and the walk that finds them: a bounded number of rows each time.

Ids grow with the time of receipt, so that all lists go by the primary key or by an index that ends
with it. What no index knows is asked of the rows that are walked over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from json.encoder import encode_basestring as quoted
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Select, String, and_, func, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from app.clock import utc_now
from app.domain.event_kinds import EventOutcome, EventStatus, Severity, Source
from app.models import Event
from app.services import search
from app.services.paging import (
    MAX_ID,
    Cursor,
    MomentFilter,
    PageQuery,
    Part,
    TextFilter,
    cut,
    read_cursor,
    write_cursor,
)
from app.services.reading.selecting import equalities, integration_id

MOST_WALKED = 20_000
# Ids are given a moment after the time was taken.
SLACK = timedelta(seconds=10)
SEARCHED = ("title", "description", "node")
_NEWEST = Cursor((MAX_ID,))
Conditions = Sequence[ColumnElement[bool]]


class EventQuery(PageQuery):
    """The filters of /events; times are those of the receipt."""

    source: Source | None = None
    severity: Severity | None = Field(None, description="As it was routed: critical is an error.")
    code: TextFilter | None = None
    status: EventStatus | None = None
    integration: TextFilter | None = Field(None, description="Key of the integration.")
    dedup_key: TextFilter | None = None
    outcome: EventOutcome | None = None
    q: TextFilter | None = Field(None, description="Text in title, description or node.")
    since: MomentFilter | None = Field(None, description="Received at this time or later.")
    until: MomentFilter | None = Field(None, description="Received before this time.")


class _Fact(FunctionElement[str]):
    """A text of the document."""

    type = String()
    inherit_cache = True


@compiles(_Fact, "sqlite")
def _sqlite_fact(element: Any, compiler: Any, **options: Any) -> str:
    text, name = (compiler.process(one, **options) for one in element.clauses)
    return f"json_extract({text}, '$.' || {name})"


@compiles(_Fact, "postgresql")
def _postgresql_fact(element: Any, compiler: Any, **options: Any) -> str:
    text, name = (compiler.process(one, **options) for one in element.clauses)
    return f"(({text})::json ->> {name})"


def part(connection: Connection, wanted: EventQuery, columns: Sequence[Any]) -> Part[Any]:
    """Return `columns`, the id first, of the events of a page.

    With a filter that no index knows, 20,000 rows are walked over at most: then there may be fewer
    than asked for, even none, and the walk goes on from `next`.
    """
    start = read_cursor(wanted.cursor, 1) or _NEWEST
    branches, asked = _branches(wanted), _asked(wanted)
    low, high = _bounds(connection, wanted, start)
    end = _end(connection, branches, _between(low, high), start) if asked else None
    if end is not None:
        low, high = (low, end) if start.newer else (end, high)
    ids = _walk(branches, [*_between(low, high), *asked], start, wanted.limit + 1)
    query = select(*columns).where(Event.id.in_(select(ids.subquery().c.id)))
    rows = connection.execute(query.order_by(_order(start))).all()
    found: Part[Any] = cut(rows, wanted, lambda row: (row.id,))
    if end is None or len(rows) > wanted.limit:
        return found
    if start.newer:
        return replace(found, newer=write_cursor(end, newer=True))
    return replace(found, next=write_cursor(end))


def _branches(wanted: EventQuery) -> list[Conditions]:
    """Return what leads, by an index in which the ids follow; several are walked side by side."""
    if wanted.dedup_key is not None:
        return [[Event.dedup_key == wanted.dedup_key]]
    if wanted.integration is not None:
        return [[Event.integration_id == integration_id(wanted.integration)]]
    if wanted.source is None and wanted.severity is None:
        return [[]]
    sources = list(Source) if wanted.source is None else [wanted.source]
    severities = list(Severity) if wanted.severity is None else [wanted.severity]
    return [
        [Event.source == source, Event.severity == severity]
        for source, severity in product(sources, severities)
    ]


def _asked(wanted: EventQuery) -> list[ColumnElement[bool]]:
    """Return the conditions that no index serves."""
    pairs: list[tuple[Any, Any]] = [
        (Event.code, wanted.code),
        (Event.status, wanted.status),
        (Event.outcome, wanted.outcome),
    ]
    if wanted.dedup_key is not None or wanted.integration is not None:
        pairs += [(Event.source, wanted.source), (Event.severity, wanted.severity)]
    conditions = equalities(pairs)
    if wanted.dedup_key is not None and wanted.integration is not None:
        conditions.append(Event.integration_id == integration_id(wanted.integration))
    if wanted.since is not None:
        conditions.append(Event.received_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Event.received_at < wanted.until)
    if wanted.q:
        conditions.append(_contains(wanted.q))
    return conditions


def _contains(typed: str) -> ColumnElement[bool]:
    """Return the condition that a searched text holds `typed`; most rows are not decoded for it."""
    exact = search.contains(typed, [_Fact(Event.document, name) for name in SEARCHED])
    return and_(search.contains(quoted(typed)[1:-1], [Event.document]), exact)


def _bounds(connection: Connection, wanted: EventQuery, start: Cursor) -> tuple[int, int]:
    """Return the first and the last id that may be meant: behind the cursor, and about in time."""
    key = start.keys[0]
    low, high = (key + 1, MAX_ID) if start.newer else (1, key - 1)
    if wanted.since is not None:
        low = max(low, _id_at(connection, wanted.since, -SLACK))
    if wanted.until is not None:
        high = min(high, _id_at(connection, wanted.until, SLACK))
    return low, high


def _between(low: int, high: int) -> Conditions:
    # One bound on each side, as SQLite seeks by one of them and asks the others of each row.
    return [Event.id >= low, Event.id <= high]


def _id_at(connection: Connection, moment: datetime, slack: timedelta) -> int:
    """Return the first id from `moment` on; what a clock of the future left behind is passed by."""
    first, last = select(func.min(Event.id)), select(func.max(Event.id))
    low, high = connection.scalar(first) or 1, (connection.scalar(last) or 0) + 1
    now = utc_now() + SLACK
    place = select(Event.id, Event.received_at).order_by(Event.id).limit(1)
    while low < high:
        middle = (low + high) // 2
        later = place.where(Event.id >= middle, Event.received_at <= now)
        row = connection.execute(later).first()
        if row is not None and row.received_at < moment + slack:
            low = row.id + 1
        else:
            high = middle
    return low


def _order(start: Cursor) -> Any:
    return Event.id.asc() if start.newer else Event.id.desc()


def _end(
    connection: Connection, branches: Sequence[Conditions], bounds: Conditions, start: Cursor
) -> int | None:
    """Return the last id that is walked over; None: all of them are."""
    found = _walk(branches, bounds, start, MOST_WALKED).subquery()
    order = found.c.id.asc() if start.newer else found.c.id.desc()
    last = select(found.c.id).order_by(order).offset(MOST_WALKED - 1).limit(1)
    return connection.scalar(last)


def _walk(
    branches: Sequence[Conditions], conditions: Conditions, start: Cursor, most: int
) -> Select[Any]:
    """Return the SELECT of the first `most` ids: each branch along its index, then together."""
    parts = [
        select(Event.id.label("id"))
        .where(*branch, *conditions)
        .order_by(_order(start))
        .limit(most)
        .subquery()
        for branch in branches
    ]
    whole = union_all(*(select(one.c.id) for one in parts)).subquery()
    order = whole.c.id.asc() if start.newer else whole.c.id.desc()
    return select(whole.c.id).order_by(order).limit(most)
