"""Which lanes have something to do now, and when the others will."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, exists, func, or_, select, text
from sqlalchemy.orm import aliased

from app.clock import unsteady, utc_now
from app.domain.kinds import LaneState
from app.domain.lane import PACE
from app.domain.retry import LONGEST, LONGEST_PAUSE
from app.models import IS_LEASED, IS_PENDING, IS_STORED, Delivery, Lane
from app.services import preferences
from app.services.installation import Installation
from app.services.lanes import LONGEST_LEASE, system_paused, unowned

# Further ahead than any rule can put a time: it was made by a clock that has been set back.
FURTHEST = timedelta(seconds=LONGEST + LONGEST_PAUSE)
_OLDER = aliased(Delivery, name="older")
# In the very words of the index.
_IN_ORDER = text("older.order_key IS NOT NULL AND older.state IN ('pending', 'leased', 'stored')")
# Deliveries of one order never overlap, so that a resolve never overtakes its opening.
FIRST = or_(
    Delivery.order_key.is_(None),
    ~exists().where(
        _OLDER.lane_id == Delivery.lane_id,
        _OLDER.order_key == Delivery.order_key,
        _OLDER.id < Delivery.id,
        _IN_ORDER,
    ),
)
_MINE = Delivery.lane_id == Lane.__table__.c.id
_BLOCKED = and_(Lane.state == LaneState.RETRYING, Lane.held_id.is_not(None))


@dataclass(frozen=True)
class Look:
    """Whether a lane has something to do now; if not, when it will (None: nothing is known).

    `failing`: what it does now may take as long as its time-out.
    """

    now: bool
    at: datetime | None = None
    failing: bool = False


# The times that every statement here takes; building one costs ten times what running it does.
_NOW: Any = bindparam("now")
_FURTHEST: Any = bindparam("furthest")
_RESTED: Any = bindparam("rested")
_LONGEST: Any = bindparam("longest")


def _times(now: datetime) -> dict[str, datetime]:
    return {
        "now": now,
        "furthest": now + FURTHEST,
        "rested": now - PACE,
        "longest": now + LONGEST_LEASE,
    }


def _passed(moment: Any) -> ColumnElement[bool]:
    """Return the condition that a time is over, or was made by a clock that has been set back."""
    return or_(moment <= _NOW, moment > _FURTHEST)


def mail_due() -> ColumnElement[bool]:
    """Return the condition under which mail may be sent: it has a due time at all.

    A clock that was set back must not hold it.
    """
    return and_(IS_PENDING, Delivery.due_at.is_not(None))


# A delivery of a lane with a retry policy is due.
_DUE = and_(_MINE, IS_PENDING, _passed(Delivery.due_at), FIRST)
_NEW = exists().where(_DUE, Delivery.id > Lane.held_id)


def _rested() -> ColumnElement[bool]:
    """While an endpoint does not answer, attempts are at least 1 s apart (delivery.md, A lane)."""
    last = Lane.__table__.c.error_at
    return or_(last.is_(None), last <= _RESTED, last > _NOW)


def _mail_work() -> ColumnElement[bool]:
    """While the lane is retrying, only what came after the failed try, or a probe of the pass."""
    new = and_(Delivery.id > Lane.held_id, _rested())
    open_lane = or_(Lane.state != LaneState.RETRYING, Lane.next_try_at.is_not(None), new)
    return exists().where(_MINE, mail_due(), open_lane)


def _post_work() -> ColumnElement[bool]:
    """Return the condition under which a lane with a retry policy has something to do."""
    something = exists().where(_DUE)
    waits = or_(exists().where(_MINE, IS_PENDING), exists().where(_MINE, IS_STORED))
    tries = or_(and_(_passed(Lane.next_try_at), something), _NEW, and_(Lane.asked, waits))
    flows = or_(Lane.state == LaneState.FLUSHING, something)
    return case((_BLOCKED, and_(_rested(), tries)), else_=flows)


def _working(*, steady: bool) -> ColumnElement[bool]:
    held = exists().where(_MINE, IS_LEASED)
    mail = and_(Lane.row.is_(None), _mail_work())
    posts = and_(Lane.row.is_not(None), _post_work())
    free = unowned(_NOW, _LONGEST, steady=steady)
    return and_(free, ~system_paused(), or_(mail, posts, held))


def _upcoming() -> Select[Any]:
    """Return the SELECT of what is next in each lane, each found by an index."""
    waiting = select(func.min(Delivery.due_at)).where(_MINE, IS_PENDING, Delivery.due_at > _NOW)
    columns: tuple[Any, ...] = (
        Lane.id,
        Lane.row,
        Lane.state,
        _BLOCKED.label("blocked"),
        Lane.next_try_at,
        Lane.error_at,
        or_(Lane.asked, _NEW).label("hurries"),
        exists().where(_DUE).label("due"),
        waiting.correlate(Lane).scalar_subquery().label("due_at"),
    )
    return select(*columns)


@cache
def _all_working(*, steady: bool) -> Select[Any]:
    return select(Lane.id).where(_working(steady=steady))


@cache
def _one(*, steady: bool) -> Select[Any]:
    query = _upcoming().add_columns(_working(steady=steady).label("works"))
    return query.where(Lane.id == bindparam("lane_id"))


_WAITING = _upcoming().where(Lane.row.is_not(None), ~system_paused())


def with_work(site: Installation) -> list[int]:
    """Return the lanes nobody owns that have something due, or something to give back."""
    with site.store.reading() as connection:
        if preferences.load(connection).paused:
            return []
        query = _all_working(steady=not unsteady())
        return list(connection.scalars(query, _times(utc_now())))


def look(site: Installation, lane_id: int) -> Look:
    """Return whether nobody owns the lane although something is to be done, and else when."""
    now = utc_now()
    with site.store.reading() as connection:
        if preferences.load(connection).paused:
            return Look(False)
        query = _one(steady=not unsteady())
        row = connection.execute(query, _times(now) | {"lane_id": lane_id}).first()
    if row is None:
        return Look(False)
    at = None if row.works else when(row, now)
    return Look(bool(row.works), at, row.state is LaneState.RETRYING)


def upcoming(site: Installation) -> dict[int, datetime]:
    """Return when each lane with a retry policy has something to do that is not due yet."""
    now = utc_now()
    with site.store.reading() as connection:
        rows = connection.execute(_WAITING, _times(now)).all()
    return {row.id: at for row in rows if (at := when(row, now)) is not None}


def when(row: Any, now: datetime) -> datetime | None:
    """Return the next time of a row of `_upcoming`: no earlier than a second after a failure."""
    if not row.blocked:
        return cast("datetime | None", row.due_at)
    times = [now] if row.hurries else []
    # Mail has no rounds: what failed waits for the pass.
    if row.row is not None and row.next_try_at is not None:
        waits = None if row.due else row.due_at
        if row.due or waits is not None:
            times.append(max(filter(None, (row.next_try_at, waits))))
    rested = row.error_at + PACE if row.error_at is not None and row.error_at <= now else now
    return max(min(times), rested) if times else None
