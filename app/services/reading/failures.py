"""Failures as they are read: lists by filter, one with its trace, and its decisions."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from app.clock import to_micros
from app.domain.kinds import Direction, ErrorType, FailureState, Kind
from app.errors import NotFound
from app.models import IS_OPEN, Delivery, Failure, Integration, Registration, System, Trace
from app.services.documents import Document, IdText, Page
from app.services.installation import Installation
from app.services.paging import Flag, MomentFilter, PageQuery, TextFilter, cut, page_of
from app.services.reading import decisions
from app.services.reading.decisions import Decision
from app.services.reading.selecting import equalities, integration_id, newest_first

_SEARCHED = (Failure.message, Failure.error_code, Failure.entity_id, Failure.project)
_SAME = (
    "id error_type kind direction error_code message entity_type entity_id project count "
    "retry_count max_retry_count total_retry_count accessible state first_logged_at "
    "last_logged_at reason"
).split()


class FailureQuery(PageQuery):
    """The filters of /failures; times are those of the last report."""

    kind: Kind | None = None
    error_type: ErrorType | None = None
    integration: TextFilter | None = Field(None, description="Key of the integration.")
    direction: Direction | None = None
    error_code: TextFilter | None = None
    entity_id: TextFilter | None = None
    state: FailureState | None = None
    notified: Flag = Field(None, description="Whether a mail that tells it was sent.")
    q: TextFilter | None = Field(None, description="Text in message, code, entity or project.")
    since: MomentFilter | None = Field(None, description="Last logged at this time or later.")
    until: MomentFilter | None = Field(None, description="Last logged before this time.")


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
    waiting: int = Field(description="Other errors: what waits for that system and integration.")
    has_trace: bool


class FailureWithTrace(FailureDocument):
    """One failure with the trace of its last report."""

    trace: str | None


def page(site: Installation, wanted: FailureQuery) -> Page[FailureDocument]:
    """Return the failures of a filter, the last reported first."""
    query = newest_first(
        _selected().where(*_conditions(wanted)), wanted, (Failure.last_logged_at, Failure.id)
    )
    with site.store.reading() as connection:
        rows, cursor = cut(connection.execute(query).all(), wanted.limit, _key)
        waiting = _waiting(connection, rows)
    return page_of([FailureDocument(**_fields(row, waiting)) for row in rows], cursor)


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
        waiting = _waiting(connection, [row])
    return FailureWithTrace(**_fields(row, waiting), trace=unpacked(row.body))


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


def _conditions(wanted: FailureQuery) -> list[ColumnElement[bool]]:
    names = ("kind", "error_type", "direction", "error_code", "entity_id", "state")
    conditions = equalities((getattr(Failure, name), getattr(wanted, name)) for name in names)
    if wanted.integration is not None:
        conditions.append(Failure.integration_id == integration_id(wanted.integration))
    if wanted.notified is not None:
        sent = Failure.notified_at
        conditions.append(sent.is_not(None) if wanted.notified else sent.is_(None))
    if wanted.q:
        found = (column.icontains(wanted.q, autoescape=True) for column in _SEARCHED)
        conditions.append(or_(*found))
    if wanted.since is not None:
        conditions.append(Failure.last_logged_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Failure.last_logged_at < wanted.until)
    return conditions


def _key(row: Any) -> tuple[int, int]:
    return to_micros(row.last_logged_at), row.id


Waiting = Mapping[tuple[int | None, int], int]


def _waiting(connection: Connection, rows: Sequence[Any]) -> Waiting:
    """Return what waits by integration and system, for the other errors of a page."""
    systems = {row.system_id for row in rows if row.error_type is ErrorType.OTHER}
    if not systems:
        return {}
    query = (
        select(Delivery.integration_id, Delivery.system_id, func.count())
        .where(IS_OPEN, Delivery.system_id.in_(systems))
        .group_by(Delivery.integration_id, Delivery.system_id)
    )
    return {(key[0], key[1]): key[2] for key in connection.execute(query)}


def _fields(row: Any, waiting: Waiting) -> dict[str, Any]:
    sent = row.notified_at is not None and row.notified_delivery_id is not None
    told = Notified(at=row.notified_at, delivery=row.notified_delivery_id) if sent else None
    return {name: getattr(row, name) for name in _SAME} | {
        "integration": row.integration,
        "notified": told,
        "system": row.system,
        "row": None,
        "waiting": waiting.get((row.integration_id, row.system_id), 0) if row.system_id else 0,
        "has_trace": row.trace_hash is not None,
    }
