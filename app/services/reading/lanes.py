"""Lanes as they are read: their state, what waits in each, and what went wrong last."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Select, select

from app.domain.kinds import Fail, LaneState
from app.domain.retry import RetryPolicy
from app.errors import NotFound
from app.models import Lane, System
from app.services import waiting
from app.services.documents import Document, IdText, Page
from app.services.installation import Installation
from app.services.paging import PageQuery, TextFilter, cut, page_of
from app.services.reading.selecting import newest_first
from app.services.waiting import Waiting

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
        found = waiting.in_lanes(connection, [row.id for row in part.rows])
    items = [_document(row, found.get(row.id, Waiting())) for row in part.rows]
    return page_of(items, part)


def one(site: Installation, lane_id: int) -> LaneDocument:
    """Return a lane; raises NotFound."""
    with site.store.reading() as connection:
        row = connection.execute(_selected().where(Lane.id == lane_id)).first()
        if row is None:
            raise NotFound(f"There is no lane {lane_id}.")
        found = waiting.in_lanes(connection, [lane_id])
    return _document(row, found.get(lane_id, Waiting()))


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


def _document(row: Any, left: Waiting) -> LaneDocument:
    paused = row.system_status == ShownState.PAUSED
    return LaneDocument(
        **{name: getattr(row, name) for name in _SAME},
        system=row.system,
        state=ShownState.PAUSED if paused else ShownState(row.state),
        pending=left.count - left.stored,
        stored=left.stored,
        oldest_at=left.oldest_at,
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
