"""Simulation: a draft of the matrix over stored events, beside what was really decided then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, select

from app.domain.board import Board
from app.domain.event_kinds import Row, Severity, Source
from app.domain.kinds import Outcome, Why
from app.domain.routing import Subscription, route
from app.errors import Fault, Invalid
from app.models import Event, RouteRevision
from app.services import routing_board
from app.services.documents import Document, IdText, inlined
from app.services.installation import Installation
from app.services.paging import PageQuery, is_newer, write_cursor
from app.services.reading import event_filter
from app.services.reading.event_filter import EventQuery
from app.services.reading.events import system_names
from app.services.routes_shape import RoutesBody
from app.shapes import Moment, Shape, parse

# Read at once: most of the time, the differences of a page are found in the first of these.
CHUNK = 2_000
_COLUMNS = (
    Event.id,
    Event.received_at,
    Event.source,
    Event.severity,
    Event.revision_id,
    Event.decisions,
    Event.document,
)
# A system that was told or would be, by which row and why.
_Way = tuple[int, str, str]
_Ways = tuple[_Way, ...]
_After = Callable[[Source, Severity, tuple[Subscription, ...]], _Ways]


class SimulationBody(Shape):
    """A draft of the matrix, and the time whose events it is tried on."""

    draft: Any = Field(
        json_schema_extra=inlined(RoutesBody.model_json_schema()),
        description="As in PUT /routes; what it leaves out is empty.",
    )
    since: Moment | None = Field(None, description="Received at this time or later.")
    until: Moment | None = Field(None, description="Received before this time.")


class Way(Document):
    """A system that is told, in the subscription of `row`."""

    system: str | None = Field(description="Null: it is gone, and nobody knows its name.")
    row: Row
    reason: Why


class Difference(Document):
    """An event that would go to other systems, or by another row; an empty list: to nobody."""

    event: IdText
    received_at: datetime
    source: Source
    severity: Severity
    title: str
    before: list[Way]
    after: list[Way]


class Simulation(Document):
    """One page: `events` were looked at, the newest first; `next` goes on, null: all were."""

    events: int
    differences: list[Difference]
    next: str | None


@dataclass
class _Found:
    """What one page has found so far, and where it stopped."""

    looked: int = 0
    rows: list[tuple[Any, _Ways, _Ways]] = field(default_factory=list)
    next: str | None = None


def simulate(site: Installation, document: Any, wanted: PageQuery) -> Simulation:
    """Try a draft on stored events; `document` is decoded JSON. Reads only.

    A page ends with `wanted.limit` differences, or after 20,000 events. Raises Invalid with every
    fault, those of the draft as PUT /routes names them, below `/draft`.
    """
    board, body = _read(site, document)
    with site.store.reading() as connection:
        found = _walked(connection, body, wanted, _decider(board))
        names = _names(connection, board, found.rows)
    return Simulation(
        events=found.looked,
        differences=[_difference(*one, names) for one in found.rows],
        next=found.next,
    )


def _read(site: Installation, document: Any) -> tuple[Board, SimulationBody]:
    """Return the draft and the time; raises Invalid with the faults of both."""
    faults: list[Fault] = []
    try:
        body = parse(SimulationBody, document)
        faults += _backwards(body)
    except Invalid as error:
        faults += error.faults
    drafted = isinstance(document, dict) and "draft" in document
    try:
        board = routing_board.draft(site, document["draft"] if drafted else {})
    except Invalid as error:
        faults += [Fault(f"/draft{one.pointer}", one.message) for one in error.faults]
    if faults:
        raise Invalid(faults)
    return board, body


def _backwards(body: SimulationBody) -> Iterator[Fault]:
    if body.since is not None and body.until is not None and body.since >= body.until:
        yield Fault("/until", "must be later than since")


def _decider(board: Board) -> _After:
    """Return what says where an event would go: `routing.route`, asked once for all alike."""

    @cache
    def after(source: Source, severity: Severity, opened: tuple[Subscription, ...]) -> _Ways:
        return tuple(
            (one.system, str(one.row), str(one.why))
            for one in route(board.matrix, source, severity, opened)
            if one.sends and one.system is not None
        )

    return after


def _opened(was: _Ways) -> tuple[Subscription, ...]:
    """Return where the opening of a resolve went: a draft changes nothing of that."""
    follows = (one for one in was if one[2] == Why.FOLLOWS_OPENING)
    return tuple(sorted((Row(row), system) for system, row, _ in follows))


def _walked(
    connection: Connection, body: SimulationBody, wanted: PageQuery, after: _After
) -> _Found:
    """Look at events until the page is full, or 20,000 of them were walked over."""
    found, cursor = _Found(), wanted.cursor
    if is_newer(wanted):
        raise Invalid([Fault("/cursor", "is not a cursor of this list: give `next` of a page")])
    while True:
        query = EventQuery.model_construct(
            limit=CHUNK, cursor=cursor, since=body.since, until=body.until
        )
        part = event_filter.part(connection, query, _COLUMNS)
        left = _look(part.rows, wanted.limit, after, found)
        cursor = found.next = write_cursor(part.rows[-left - 1].id) if left else part.next
        # Fewer than asked for, though there are more: so many were walked over that do not count.
        full = left or len(found.rows) >= wanted.limit or found.looked >= event_filter.MOST_WALKED
        if full or cursor is None or len(part.rows) < CHUNK:
            return found


def _look(rows: Sequence[Any], most: int, after: _After, found: _Found) -> int:
    """Look at `rows` until the page is full, and return how many are left."""
    for number, row in enumerate(rows):
        if len(found.rows) >= most:
            return len(rows) - number
        found.looked += 1
        was = _decided(row.decisions)
        would = after(row.source, row.severity, _opened(was))
        if _told(was) != _told(would):
            found.rows.append((row, was, would))
    return 0


def _told(ways: _Ways) -> set[tuple[int, str]]:
    return {(system, row) for system, row, _ in ways}


def _decided(stored: str) -> _Ways:
    """Return where an event really went, from the text that is stored of its decisions."""
    return tuple(
        (one["system"], one["row"], one["reason"])
        for one in json.loads(stored)
        if one["outcome"] == Outcome.SEND
    )


def _names(
    connection: Connection, board: Board, rows: Iterable[tuple[Any, _Ways, _Ways]]
) -> Mapping[int, str]:
    """Return the names of the systems told; of what is gone, those of the revisions of then."""
    drafted = {one: facts.name for one, facts in board.systems.items()}
    ids = {way[0] for _, was, _ in rows for way in was} - drafted.keys()
    names = system_names(connection, ids, ())
    gone = [row.revision_id for row, was, _ in rows if any(way[0] not in names for way in was)]
    query = select(RouteRevision.document).where(RouteRevision.id.in_(set(gone)))
    return drafted | system_names(connection, ids, connection.scalars(query) if gone else ())


def _difference(row: Any, was: _Ways, would: _Ways, names: Mapping[int, str]) -> Difference:
    return Difference(
        event=row.id,
        received_at=row.received_at,
        source=row.source,
        severity=row.severity,
        title=json.loads(row.document)["title"],
        before=list(_ways(was, names)),
        after=list(_ways(would, names)),
    )


def _ways(ways: _Ways, names: Mapping[int, str]) -> Iterator[Way]:
    for system, row, reason in ways:
        yield Way(system=names.get(system), row=Row(row), reason=Why(reason))
