"""Failures as they are read: lists by filter, one with its trace, and its decisions."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, Select, func, select

from app.domain.kinds import Direction, ErrorType, FailureState, Kind
from app.errors import NotFound
from app.models import IS_OPEN, Delivery, Failure, Integration, Lane, Registration, System, Trace
from app.services import waiting
from app.services.documents import Document, IdText, Page
from app.services.installation import Installation
from app.services.paging import Count, Part, page_of
from app.services.reading import decisions, failure_counts, failure_keys
from app.services.reading.decisions import Decision
from app.services.reading.failure_filter import FailureQuery as FailureQuery  # noqa: PLC0414
from app.services.sql import among

CAP = 10_000
AT_ONCE = 1_000
_SAME = (
    "id error_type kind direction error_code message entity_type entity_id project count "
    "retry_count max_retry_count total_retry_count accessible state first_logged_at "
    "last_logged_at reason"
).split()


class Notified(Document):
    """The mail that told a failure last."""

    at: datetime
    delivery: IdText


class FailureDocument(Document):
    """A failure of an integration, or of Tocsin's own work (`errorType` other)."""

    id: IdText
    error_type: ErrorType
    kind: Kind | None
    integration: str | None
    direction: Direction | None
    error_code: str | None
    message: str
    entity_type: str | None
    entity_id: str | None
    project: str | None
    count: int
    retry_count: int | None
    max_retry_count: int | None
    total_retry_count: int | None
    accessible: bool
    state: FailureState
    first_logged_at: datetime
    last_logged_at: datetime
    notified: Notified | None
    system: str | None = Field(description="Other errors: the system that does not send.")
    row: str | None = Field(description="Other errors: the row of the matrix, null for mail.")
    reason: str | None = Field(description="Other errors: why it does not send.")
    waiting: int = Field(description="Other errors: what waits for it there.")
    has_trace: bool


class FailureWithTrace(FailureDocument):
    """One failure with the trace of its last report."""

    trace: str | None


def page(site: Installation, wanted: FailureQuery) -> Page[FailureDocument]:
    """Return the failures of a filter, the last reported first."""
    with site.store.reading() as connection:
        part = failure_keys.part(connection, wanted)
        items = documents(connection, [failure_id for _, failure_id in part.rows])
    return page_of(items, part)


def documents(connection: Connection, ids: Sequence[int]) -> list[FailureDocument]:
    """Return the failures of `ids`, in their order."""
    query = _selected().where(among(connection, Failure.id, ids))
    rows = {row.id: row for row in connection.execute(query)}
    left = _waiting(connection, list(rows.values()))
    return [FailureDocument(**_fields(rows[one], left)) for one in ids if one in rows]


def count(site: Installation, wanted: FailureQuery, cap: int = CAP) -> Count:
    """Return how many failures a filter has, counted to `cap`.

    Of a text that is too short for the index, or very frequent: at least those of the newest part.
    """
    with site.store.reading() as connection:
        return failure_counts.count(connection, wanted, cap)


def ids(site: Installation, wanted: FailureQuery) -> Iterator[int]:
    """Yield the ids of all failures of a filter, in short reads; its cursor is not asked."""
    for part in _parts(site, wanted):
        yield from (one for _, one in part.rows)


def export(site: Installation, wanted: FailureQuery) -> Iterator[FailureDocument]:
    """Yield all failures of a filter, the last reported first, in short reads."""
    for part in _parts(site, wanted):
        with site.store.reading() as connection:
            items = documents(connection, [one for _, one in part.rows])
        yield from items


def _parts(site: Installation, wanted: FailureQuery) -> Iterator[Part[failure_keys.Key]]:
    cursor: str | None = None
    while True:
        asked = wanted.model_copy(update={"limit": AT_ONCE, "cursor": cursor})
        with site.store.reading() as connection:
            part = failure_keys.every(connection, asked)
        yield part
        cursor = part.next
        if cursor is None:
            return


def one(site: Installation, failure_id: int) -> FailureWithTrace:
    """Return a failure with its trace; raises NotFound."""
    query = (
        _selected(Trace.body)
        .outerjoin(Trace, Trace.hash == Failure.trace_hash)
        .where(Failure.id == failure_id)
    )
    with site.store.reading() as connection:
        row = connection.execute(query).first()
        if row is None:
            raise missing(failure_id)
        left = _waiting(connection, [row])
    return FailureWithTrace(**_fields(row, left), trace=unpacked(row.body))


def decided(site: Installation, failure_id: int) -> Page[Decision]:
    """Return the decisions of a failure, one for each rule; raises NotFound."""
    registered = (
        select(System.name)
        .join(Registration, Registration.system_id == System.id)
        .where(Registration.integration_id == Failure.integration_id, Registration.active)
        .scalar_subquery()
    )
    query = (
        select(Failure.decision, Integration.key, registered.label("system"))
        .outerjoin(Integration, Integration.id == Failure.integration_id)
        .where(Failure.id == failure_id)
    )
    with site.store.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise missing(failure_id)
    found = [decisions.stored(row.decision, row.key, row.system)] if row.decision else []
    return page_of(found, None)


def missing(failure_id: int) -> NotFound:
    """Return the error of an id that names no failure."""
    return NotFound(f"There is no failure {failure_id}.")


def unpacked(body: bytes | None) -> str | None:
    """Return a stored trace as text; what is not UTF-8 in it is shown as such."""
    return None if body is None else zlib.decompress(body).decode("utf-8", "replace")


def _selected(*more: Any) -> Select[Any]:
    return (
        select(
            Failure.__table__,
            Integration.key.label("integration"),
            System.name.label("system"),
            *more,
        )
        .outerjoin(Integration, Integration.id == Failure.integration_id)
        .outerjoin(System, System.id == Failure.system_id)
    )


# An integration, a system, and a row of the matrix.
_Where = tuple[int | None, int, str | None]
_Left = Mapping[_Where, int]


def _waiting(connection: Connection, rows: Sequence[Any]) -> _Left:
    """Return what waits for the other errors of a page: of an integration, or of a lane."""
    others = [row for row in rows if row.error_type is ErrorType.OTHER]
    named = {row.integration_id for row in others} - {None}
    query = (
        select(Delivery.integration_id, Delivery.system_id, func.count())
        .where(IS_OPEN, Delivery.integration_id.in_(named))
        .group_by(Delivery.integration_id, Delivery.system_id)
    )
    found: dict[_Where, int] = {}
    if named:
        found = {(key[0], key[1], None): key[2] for key in connection.execute(query)}
    beside = {row.system_id for row in others if row.integration_id is None} - {None}
    return {**found, **_in_lanes(connection, beside)} if beside else found


def _in_lanes(connection: Connection, systems: set[int]) -> _Left:
    """Return what waits in the lanes of the systems and tells of no integration."""
    columns = (Lane.id, Lane.system_id, Lane.row)
    lanes = connection.execute(select(*columns).where(Lane.system_id.in_(systems))).all()
    beside = Delivery.integration_id.is_(None)
    left = waiting.in_lanes(connection, [lane.id for lane in lanes], beside)
    return {
        (None, lane.system_id, lane.row): left[lane.id].count for lane in lanes if lane.id in left
    }


def _fields(row: Any, left: _Left) -> dict[str, Any]:
    sent = row.notified_at is not None and row.notified_delivery_id is not None
    told = Notified(at=row.notified_at, delivery=row.notified_delivery_id) if sent else None
    return {name: getattr(row, name) for name in _SAME} | {
        "integration": row.integration,
        "notified": told,
        "system": row.system,
        "row": row.row,
        "waiting": left.get((row.integration_id, row.system_id, row.row), 0),
        "has_trace": row.trace_hash is not None,
    }
