"""Deliveries as they are read: lists by filter, and one with its attempts and decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Select, func, select

from app.clock import utc_now
from app.domain.event_kinds import Source
from app.domain.kinds import (
    FINAL_STATES,
    DeliveryKind,
    DeliveryState,
    EndReason,
)
from app.errors import NotFound
from app.models import Delivery, DeliveryItem, Integration, System
from app.services.documents import Document, IdText, Page
from app.services.installation import Installation
from app.services.paging import (
    Count,
    IdFilter,
    MomentFilter,
    PageQuery,
    TextFilter,
    capped,
    cut,
    page_of,
)
from app.services.reading import attempts, delivery_events
from app.services.reading.attempts import AttemptDocument
from app.services.reading.decisions import Decision
from app.services.reading.recipients import Recipient, recipients_of
from app.services.reading.retries import retries_of
from app.services.reading.selecting import equalities, integration_id, newest_first, system_id

MOST_ITEMS = 100
CAP, AT_ONCE = 10_000, 1_000
MAIL = "smtp"
_SAME = ("id kind state reason confirmed created_at finished_at attempt_count item_count").split()


class DeliveryQuery(PageQuery):
    """The filters of /deliveries; times are those of its making."""

    state: DeliveryState | None = None
    reason: EndReason | None = None
    kind: DeliveryKind | None = None
    system: TextFilter | None = Field(None, description="Name of the system.")
    lane: IdFilter = None
    integration: TextFilter | None = Field(None, description="Key of the integration.")
    failure: IdFilter = Field(None, description="Those that tell this failure.")
    event: IdFilter = Field(None, description="Those that tell this event.")
    source: Source | None = Field(None, description="Those that tell an event of it.")
    since: MomentFilter | None = Field(None, description="Made at this time or later.")
    until: MomentFilter | None = Field(None, description="Made before this time.")


class DeliveryDocument(Document):
    """One notification to one system.

    `dueAt` null: it goes with the next dispatch pass, or, stored, with the next success.
    """

    id: IdText
    kind: DeliveryKind
    system: str | None
    lane: IdText | None
    state: DeliveryState
    reason: EndReason | None
    confirmed: bool
    overdue: bool = Field(description="A mail that has waited for more than 3 days.")
    subject: str | None
    created_at: datetime
    due_at: datetime | None
    expires_at: datetime | None = Field(description="Null for mail, which has no end.")
    finished_at: datetime | None
    attempt_count: int
    retries_used: int = Field(
        description="Timed retries, also those in which another one was sent for it. Of what is "
        "final: those in which it was sent itself."
    )
    retries_of: int | None = Field(
        description="How many its retry policy has; null: without a number, or mail."
    )
    next_retry: int | None = Field(description="The number of the retry that is due at dueAt.")
    parent: IdText | None
    events: list[IdText] = Field(description="The first 100.")
    failures: list[IdText] = Field(description="The latest 100.")
    item_count: int
    recipients: list[Recipient]


class DeliveryWithAttempts(DeliveryDocument):
    """One delivery with every try and why it was made."""

    attempts: list[AttemptDocument]
    decisions: list[Decision]


def page(site: Installation, wanted: DeliveryQuery) -> Page[DeliveryDocument]:
    """Return the deliveries of a filter, newest first."""
    query = newest_first(_selected().where(*_conditions(wanted)), wanted, (Delivery.id,))
    with site.store.reading() as connection:
        part = cut(connection.execute(query).all(), wanted, lambda row: (row.id,))
        fields = _fields(site, connection, part.rows)
    return page_of([DeliveryDocument(**one) for one in fields], part)


def count(site: Installation, wanted: DeliveryQuery, cap: int = CAP) -> Count:
    """Return how many deliveries a filter has, counted to `cap`."""
    part = select(Delivery.id).where(*_conditions(wanted)).limit(cap + 1).subquery()
    with site.store.reading() as connection:
        return capped(connection.scalar(select(func.count()).select_from(part)) or 0, cap)


def ids(site: Installation, wanted: DeliveryQuery) -> Sequence[int]:
    """Return the ids of all deliveries of a filter but tests, oldest first."""
    query = select(Delivery.id).where(*_conditions(wanted), Delivery.kind != DeliveryKind.TEST)
    with site.store.reading() as connection:
        return connection.scalars(query.order_by(Delivery.id)).all()


def export(site: Installation, wanted: DeliveryQuery) -> Iterator[DeliveryDocument]:
    """Yield all deliveries of a filter, newest first, in short reads."""
    cursor: str | None = None
    while True:
        found = page(site, wanted.model_copy(update={"limit": AT_ONCE, "cursor": cursor}))
        yield from found.items
        cursor = found.next
        if cursor is None:
            return


def one(site: Installation, delivery_id: int) -> DeliveryWithAttempts:
    """Return a delivery with its attempts and decisions; raises NotFound."""
    with site.store.reading() as connection:
        row = connection.execute(_selected().where(Delivery.id == delivery_id)).first()
        if row is None:
            raise NotFound(f"There is no delivery {delivery_id}.")
        fields = _fields(site, connection, [row])[0]
        tries = attempts.of(connection, delivery_id)
        decisions = [delivery_events.decision(connection, row)]
    return DeliveryWithAttempts(**fields, attempts=tries, decisions=decisions)


def _selected() -> Select[Any]:
    return (
        select(
            Delivery.__table__,
            System.name.label("system"),
            System.kind.label("system_kind"),
            Integration.key.label("integration"),
        )
        .outerjoin(System, System.id == Delivery.system_id)
        .outerjoin(Integration, Integration.id == Delivery.integration_id)
    )


def _conditions(wanted: DeliveryQuery) -> list[ColumnElement[bool]]:
    conditions = equalities(
        (
            (Delivery.state, wanted.state),
            (Delivery.reason, wanted.reason),
            (Delivery.kind, wanted.kind),
            (Delivery.lane_id, wanted.lane),
        )
    )
    if wanted.system is not None:
        conditions.append(Delivery.system_id == system_id(wanted.system))
    if wanted.integration is not None:
        conditions.append(Delivery.integration_id == integration_id(wanted.integration))
    if wanted.failure is not None:
        item = DeliveryItem
        telling = select(item.delivery_id).where(item.failure_id == wanted.failure)
        conditions.append(Delivery.id.in_(telling))
    if wanted.event is not None:
        conditions.append(delivery_events.telling(wanted.event))
    if wanted.source is not None:
        conditions.append(delivery_events.telling_of(wanted.source))
    if wanted.since is not None:
        conditions.append(Delivery.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Delivery.created_at < wanted.until)
    return conditions


def _fields(
    site: Installation, connection: Connection, rows: Sequence[Any]
) -> list[dict[str, Any]]:
    told = _told(connection, [row.id for row in rows])
    events = delivery_events.shown(connection, rows)
    people = recipients_of(connection, rows)
    retries = retries_of(connection, rows)
    limit = timedelta(days=site.settings.pending_days)
    return [
        retries[row.id].shown | events[row.id] | _one(row, limit, told[row.id], people[row.id])
        for row in rows
    ]


def _one(
    row: Any, limit: timedelta, told: Sequence[int], people: Sequence[Recipient]
) -> dict[str, Any]:
    mail, end = row.system_kind == MAIL, row.reported_at + limit
    waits = row.state not in FINAL_STATES
    return {name: getattr(row, name) for name in _SAME} | {
        "system": row.system,
        "lane": row.lane_id,
        "overdue": mail and waits and end < utc_now(),
        "expires_at": None if mail else end,
        "parent": row.parent_id,
        "failures": told,
        "recipients": people,
    }


def _told(connection: Connection, ids: Sequence[int]) -> dict[int, list[int]]:
    """Return the latest failures that each delivery tells."""
    item = DeliveryItem
    place = func.row_number().over(partition_by=item.delivery_id, order_by=item.failure_id.desc())
    numbered = (
        select(item.delivery_id, item.failure_id, place.label("place"))
        .where(item.delivery_id.in_(ids))
        .subquery()
    )
    query = (
        select(numbered.c.delivery_id, numbered.c.failure_id)
        .where(numbered.c.place <= MOST_ITEMS)
        .order_by(numbered.c.delivery_id, numbered.c.place)
    )
    told: dict[int, list[int]] = defaultdict(list)
    for delivery_id, failure_id in connection.execute(query):
        told[delivery_id].append(failure_id)
    return told
