"""The integrations as the screen lists them: by name, with how each direction does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Select, exists, func, or_, select, text, tuple_

from app.clock import utc_now
from app.domain.kinds import Direction, Kind
from app.models import (
    Failure,
    Integration,
    IntegrationDirection,
    Registration,
    RegistrationDirection,
    System,
)
from app.services import search, standing
from app.services.documents import Document, Page
from app.services.installation import Installation
from app.services.paging import (
    Count,
    PageQuery,
    TextFilter,
    capped,
    cut,
    is_newer,
    page_of,
    read_cursor,
)
from app.services.reading import silent

CAP, MOST_KEYS, MOST_OPEN = 10_000, 20_000, 100
AT_ONCE = 500
# In the very words of the index.
_OPEN = text("failures.state = 'open'")
_ACTIVE = (Registration.integration_id == Integration.id, Registration.active)
_PLACE = (func.lower(Integration.name), Integration.id)
_AT = Integration.__table__.alias("at")
Show = Literal["all", "unregistered", "failing", "silent", "inactive"]


class IntegrationQuery(PageQuery):
    """The filters of the screen Integrations."""

    show: Show = "all"
    q: TextFilter | None = Field(None, description="Text in key or name.")


class DirectionRow(Document):
    """How one direction does; `open` counts at most 101 open processing failures."""

    direction: Direction
    active: bool
    last_activity_at: datetime | None
    failures: int = Field(description="Open global failures, likewise.")
    open: int
    silent_since: datetime | None

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return not (self.failures or self.open or self.silent_since)

    @property
    def health(self) -> str:
        """How it does in one word."""
        if not self.active:
            return "inactive"
        if self.failures or self.open:
            return "failing"
        return "silent" if self.silent_since else "ok"

    @property
    def open_failures(self) -> int | str:
        """Its open failures of both kinds; `150+` where one was not counted to its end."""
        counts = (self.failures, self.open)
        number = sum(min(count, MOST_OPEN) for count in counts)
        return f"{number}+" if max(counts) > MOST_OPEN else number


class IntegrationRow(Document):
    """One integration; `system` and `recipients` are those of its registration."""

    id: int
    key: str
    name: str
    system1: str
    system2: str
    bidirectional: bool
    directions: list[DirectionRow]
    registered: bool
    system: str | None
    recipients: list[str]


def page(site: Installation, wanted: IntegrationQuery) -> Page[IntegrationRow]:
    """Return the integrations of a filter by name; raises Invalid for a foreign cursor."""
    now = utc_now()
    query = select(Integration.__table__).where(*_conditions(wanted, now))
    with site.store.reading() as connection:
        rows = connection.execute(_by_name(query, wanted)).all()
        part = cut(rows, wanted, lambda row: (row.id,))
        items = _documents(connection, part.rows, now)
    return page_of(items, part)


def count(site: Installation, wanted: IntegrationQuery, cap: int = CAP) -> Count:
    """Return how many integrations a filter has, counted to `cap`."""
    some = select(Integration.id).where(*_conditions(wanted, utc_now())).limit(cap + 1)
    with site.store.reading() as connection:
        number = connection.scalar(select(func.count()).select_from(some.subquery()))
    return capped(number or 0, cap)


def keys(site: Installation, wanted: IntegrationQuery, most: int = MOST_KEYS) -> list[str]:
    """Return the keys of a filter by name, at most `most`."""
    query = select(Integration.key).where(*_conditions(wanted, utc_now()))
    with site.store.reading() as connection:
        return list(connection.scalars(query.order_by(*_PLACE).limit(most)))


def export(site: Installation, wanted: IntegrationQuery) -> Iterator[IntegrationRow]:
    """Yield all integrations of a filter by name, in short reads; which ones, is read at first."""
    now = utc_now()
    query = select(Integration.id).where(*_conditions(wanted, now)).order_by(*_PLACE)
    with site.store.reading() as connection:
        ids = connection.scalars(query).all()
    for start in range(0, len(ids), AT_ONCE):
        these = Integration.id.in_(ids[start : start + AT_ONCE])
        part = select(Integration.__table__).where(these).order_by(*_PLACE)
        with site.store.reading() as connection:
            items = _documents(connection, connection.execute(part).all(), now)
        yield from items


def _documents(connection: Connection, rows: Sequence[Any], now: datetime) -> list[IntegrationRow]:
    ids = [row.id for row in rows]
    directions = _directions(connection, ids, now)
    registered = _registered(connection, ids)
    return [_row(row, directions[row.id], registered.get(row.id)) for row in rows]


def _by_name(query: Select[Any], wanted: IntegrationQuery) -> Select[Any]:
    """Order by name, after the row that the cursor names, one row more than a page has."""
    cursor, back = read_cursor(wanted.cursor, 1), is_newer(wanted)
    if cursor is not None:
        there = select(*_PLACE).where(Integration.id == cursor.keys[0]).correlate(None)
        place, beyond = tuple_(*_PLACE), there.scalar_subquery()
        # Where that one was deleted meanwhile, the list begins anew.
        gone = ~exists().where(_AT.c.id == cursor.keys[0])
        query = query.where(or_(gone, place < beyond if back else place > beyond))
    order = [part.desc() if back else part.asc() for part in _PLACE]
    return query.order_by(*order).limit(wanted.limit + 1)


def _conditions(wanted: IntegrationQuery, now: datetime) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.q:
        names = (Integration.key, Integration.name, Integration.system1, Integration.system2)
        conditions.append(search.contains(wanted.q, names))
    mine = IntegrationDirection.integration_id == Integration.id
    if wanted.show == "unregistered":
        conditions.append(~exists().where(*_ACTIVE))
    elif wanted.show == "inactive":
        conditions.append(~exists().where(mine, IntegrationDirection.active))
    elif wanted.show == "silent":
        conditions.append(Integration.id.in_(silent.integrations(now)))
    elif wanted.show == "failing":
        opened = exists().where(Failure.direction_id == IntegrationDirection.id, _OPEN)
        conditions.append(exists().where(mine, opened))
    return conditions


def _directions(
    connection: Connection, ids: Sequence[int], now: datetime
) -> Mapping[int, list[DirectionRow]]:
    table = IntegrationDirection
    query = standing.directions(
        table.integration_id,
        table.direction,
        table.active,
        table.activated_at,
        table.last_activity_at,
        _open(Kind.GLOBAL).label("failures"),
        _open(Kind.PROCESSING).label("open"),
    )
    found: dict[int, list[DirectionRow]] = defaultdict(list)
    for row in connection.execute(query.where(table.integration_id.in_(ids))):
        found[row.integration_id].append(_direction(row, now))
    return found


def _open(kind: Kind) -> Any:
    """Return the number of open failures of a direction, counted to 101 at most."""
    mine = (Failure.direction_id == IntegrationDirection.id, Failure.kind == kind)
    some = select(Failure.id).where(*mine, _OPEN).limit(MOST_OPEN + 1)
    within = some.correlate(IntegrationDirection).subquery()
    return select(func.count()).select_from(within).scalar_subquery()


def _direction(row: Any, now: datetime) -> DirectionRow:
    return DirectionRow(
        direction=row.direction,
        active=row.active,
        last_activity_at=row.last_activity_at,
        failures=row.failures,
        open=row.open,
        silent_since=_silent_since(row, now),
    )


def _silent_since(row: Any, now: datetime) -> datetime | None:
    """Return since when it is silent for longer than its registration allows."""
    if not (row.active and row.global_enabled and row.no_activity_minutes):
        return None
    clocks = (row.last_activity_at, row.activated_at, row.registered_at)
    since = max(at for at in clocks if at is not None)
    limit: timedelta = timedelta(minutes=row.no_activity_minutes)
    return since if since + limit < now else None


def _registered(connection: Connection, ids: Sequence[int]) -> Mapping[int, Any]:
    forward = RegistrationDirection.direction == Direction.FORWARD
    query = (
        select(Registration.integration_id, System.name, RegistrationDirection.recipients)
        .join_from(Registration, System, System.id == Registration.system_id)
        .join(RegistrationDirection, RegistrationDirection.registration_id == Registration.id)
        .where(Registration.integration_id.in_(ids), Registration.active, forward)
    )
    return {row.integration_id: row for row in connection.execute(query)}


def _row(row: Any, directions: list[DirectionRow], registered: Any) -> IntegrationRow:
    names = "id key name system1 system2 bidirectional".split()
    forward_first = sorted(directions, key=lambda one: one.direction is Direction.BACKWARD)
    return IntegrationRow(
        **{name: getattr(row, name) for name in names},
        directions=forward_first if row.bidirectional else forward_first[:1],
        registered=registered is not None,
        system=registered.name if registered else None,
        recipients=registered.recipients if registered else [],
    )
