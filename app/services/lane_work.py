"""Which lanes have something to do now, and when the others will."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select, text
from sqlalchemy.orm import aliased

from app.clock import utc_now
from app.domain.kinds import LaneState
from app.domain.lane import PACE
from app.domain.retry import LONGEST, LONGEST_PAUSE
from app.models import IS_LEASED, IS_PENDING, IS_STORED, Delivery, Lane
from app.services import preferences
from app.services.installation import Installation
from app.services.lanes import free, system_paused

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


def passed(moment: Any, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a time is over, or was made by a clock that has been set back."""
    return or_(moment <= now, moment > now + FURTHEST)


def due(now: datetime) -> ColumnElement[bool]:
    """Return the condition under which a delivery of a lane with a retry policy is due."""
    return and_(IS_PENDING, passed(Delivery.due_at, now), FIRST)


def mail_due() -> ColumnElement[bool]:
    """Return the condition under which mail may be sent: it has a due time at all.

    A clock that was set back must not hold it.
    """
    return and_(IS_PENDING, Delivery.due_at.is_not(None))


def _rested(now: datetime) -> ColumnElement[bool]:
    """While an endpoint does not answer, attempts are at least 1 s apart (delivery.md, A lane)."""
    last = Lane.__table__.c.error_at
    return or_(last.is_(None), last <= now - PACE, last > now)


def _mail_work(now: datetime) -> ColumnElement[bool]:
    """While the lane is retrying, only what came after the failed try, or a probe of the pass."""
    new = and_(Delivery.id > Lane.held_id, _rested(now))
    open_lane = or_(Lane.state != LaneState.RETRYING, Lane.next_try_at.is_not(None), new)
    return exists().where(_MINE, mail_due(), open_lane)


def _post_work(now: datetime) -> ColumnElement[bool]:
    """Return the condition under which a lane with a retry policy has something to do."""
    something = exists().where(_MINE, due(now))
    new = exists().where(_MINE, due(now), Delivery.id > Lane.held_id)
    waits = or_(exists().where(_MINE, IS_PENDING), exists().where(_MINE, IS_STORED))
    tries = or_(and_(passed(Lane.next_try_at, now), something), new, and_(Lane.asked, waits))
    flows = or_(Lane.state == LaneState.FLUSHING, something)
    return case((_BLOCKED, and_(_rested(now), tries)), else_=flows)


def _working(now: datetime) -> ColumnElement[bool]:
    held = exists().where(_MINE, IS_LEASED)
    mail = and_(Lane.row.is_(None), _mail_work(now))
    posts = and_(Lane.row.is_not(None), _post_work(now))
    return and_(free(now), ~system_paused(), or_(mail, posts, held))


def with_work(site: Installation) -> list[int]:
    """Return the lanes nobody owns that have something due, or something to give back."""
    with site.store.reading() as connection:
        if preferences.load(connection).paused:
            return []
        return list(connection.scalars(select(Lane.id).where(_working(utc_now()))))


def look(site: Installation, lane_id: int) -> Look:
    """Return whether nobody owns the lane although something is to be done, and else when."""
    now = utc_now()
    with site.store.reading() as connection:
        if preferences.load(connection).paused:
            return Look(False)
        query = _upcoming(now).add_columns(_working(now).label("works"))
        row = connection.execute(query.where(Lane.id == lane_id)).first()
    if row is None:
        return Look(False)
    at = None if row.works else when(row, now)
    return Look(bool(row.works), at, row.state is LaneState.RETRYING)


def upcoming(site: Installation) -> dict[int, datetime]:
    """Return when each lane with a retry policy has something to do that is not due yet."""
    now = utc_now()
    with site.store.reading() as connection:
        query = _upcoming(now).where(Lane.row.is_not(None), ~system_paused())
        rows = connection.execute(query).all()
    return {row.id: at for row in rows if (at := when(row, now)) is not None}


def _upcoming(now: datetime) -> Select[Any]:
    """Return the SELECT of what is next in each lane, each found by an index."""
    waiting = select(func.min(Delivery.due_at)).where(_MINE, IS_PENDING, Delivery.due_at > now)
    new = exists().where(_MINE, due(now), Delivery.id > Lane.held_id)
    columns: tuple[Any, ...] = (
        Lane.id,
        Lane.row,
        Lane.state,
        _BLOCKED.label("blocked"),
        Lane.next_try_at,
        Lane.error_at,
        or_(Lane.asked, new).label("hurries"),
        exists().where(_MINE, due(now)).label("due"),
        waiting.correlate(Lane).scalar_subquery().label("due_at"),
    )
    return select(*columns)


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
