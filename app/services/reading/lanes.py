"""Lanes as they are read: their state, what waits in each, and what went wrong last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, union_all

from app.domain.kinds import Fail, LaneState
from app.domain.retry import RetryPolicy
from app.errors import NotFound
from app.models import IS_LEASED, IS_PENDING, IS_STORED, Delivery, Lane, System
from app.services.documents import Document, IdText, Page
from app.services.installation import Installation
from app.services.paging import PageQuery, TextFilter, cut, page_of
from app.services.reading.selecting import newest_first

_SAME = "id row since round next_try_at".split()


class ShownState(StrEnum):
    """Where a lane stands, as it is shown: that of a paused system is paused."""

    NORMAL = "normal"
    RETRYING = "retrying"
    FLUSHING = "flushing"
    PAUSED = "paused"


class LaneQuery(PageQuery):
    """The filters of /lanes."""

    state: ShownState | None = None
    system: TextFilter | None = Field(None, description="Name of the system.")


class LastError(Document):
    """Why the last failed attempt of a lane failed."""

    reason: Fail
    text: str
    at: datetime


class LaneDocument(Document):
    """The queue of one subscription, or of all mail of one SMTP system (`row` null)."""

    id: IdText
    system: str
    row: str | None
    state: ShownState
    since: datetime
    round: int
    next_try_at: datetime | None
    pending: int = Field(description="Deliveries that wait or are being sent.")
    stored: int = Field(description="Deliveries that go with the next success.")
    oldest_at: datetime | None = Field(description="When the oldest of them was reported.")
    last_error: LastError | None
    retry_policy: dict[str, Any] | None = Field(
        description="The one that holds; null for mail, which has none."
    )


def page(site: Installation, wanted: LaneQuery) -> Page[LaneDocument]:
    """Return the lanes of a filter, newest first."""
    query = newest_first(_selected().where(*_conditions(wanted)), wanted, (Lane.id,))
    with site.store.reading() as connection:
        part = cut(connection.execute(query).all(), wanted, lambda row: (row.id,))
        waiting = _waiting(connection, [row.id for row in part.rows])
    return page_of([_document(row, waiting) for row in part.rows], part)


def one(site: Installation, lane_id: int) -> LaneDocument:
    """Return a lane; raises NotFound."""
    with site.store.reading() as connection:
        row = connection.execute(_selected().where(Lane.id == lane_id)).first()
        if row is None:
            raise NotFound(f"There is no lane {lane_id}.")
        waiting = _waiting(connection, [lane_id])
    return _document(row, waiting)


def _selected() -> Select[Any]:
    return select(
        Lane.__table__,
        System.name.label("system"),
        System.status.label("system_status"),
    ).join(System, System.id == Lane.system_id)


def _conditions(wanted: LaneQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.system is not None:
        conditions.append(System.name == wanted.system)
    if wanted.state is ShownState.PAUSED:
        conditions.append(System.status == ShownState.PAUSED)
    elif wanted.state is not None:
        conditions.append(System.status != ShownState.PAUSED)
        conditions.append(Lane.state == LaneState(wanted.state))
    return conditions


def _waiting(connection: Connection, ids: Sequence[int]) -> Mapping[int, Any]:
    """Return what waits by lane; one query a state, as each has its partial index."""
    parts = [
        select(
            Delivery.lane_id,
            func.count().label("open"),
            literal(stored).label("stored"),
            func.min(Delivery.reported_at).label("oldest_at"),
        )
        .where(Delivery.lane_id.in_(ids), state)
        .group_by(Delivery.lane_id)
        for state, stored in ((IS_PENDING, 0), (IS_LEASED, 0), (IS_STORED, 1))
    ]
    found = union_all(*parts).subquery().c
    query = select(
        found.lane_id,
        func.sum(found.open).label("open"),
        func.sum(found.open * found.stored).label("stored"),
        func.min(found.oldest_at).label("oldest_at"),
    ).group_by(found.lane_id)
    return {row.lane_id: row for row in connection.execute(query)}


def _document(row: Any, waiting: Mapping[int, Any]) -> LaneDocument:
    count = waiting.get(row.id)
    stored = int(count.stored) if count else 0
    paused = row.system_status == ShownState.PAUSED
    return LaneDocument(
        **{name: getattr(row, name) for name in _SAME},
        system=row.system,
        state=ShownState.PAUSED if paused else ShownState(row.state),
        pending=int(count.open) - stored if count else 0,
        stored=stored,
        oldest_at=count.oldest_at if count else None,
        last_error=_last_error(row),
        retry_policy=_policy(row),
    )


def _policy(row: Any) -> dict[str, Any] | None:
    """Return the policy that holds in a lane; mail has none."""
    if row.policy is None:
        return None
    return RetryPolicy(row.policy, row.retry_number, row.retry_delay).document


def _last_error(row: Any) -> LastError | None:
    if row.error_reason is None or row.error_at is None:
        return None
    return LastError(reason=row.error_reason, text=row.error_text or "", at=row.error_at)
