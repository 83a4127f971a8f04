"""Writes the working set back: only statements that cannot fail on data."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select

from app.domain.kinds import DeliveryKind, ErrorType
from app.models import (
    IS_OPEN,
    IS_WAITING,
    CountedCycle,
    Delivery,
    DeliveryItem,
    Failure,
    IntegrationDirection,
)
from app.services import traces
from app.services.intake.rows import DeliveryRow, FailureRow, Lines
from app.services.intake.state import Batch
from app.services.new_delivery import fresh
from app.services.sql import insert_missing, insert_returning, update_by_id

_CHANGING = (
    "state message project entity_type entity_id accessible count retry_count max_retry_count "
    "total_retry_count last_logged_at trace_hash episode told_episode told_delivery_id decision"
).split()
_FIXED = "identity kind integration_id direction_id direction error_code first_logged_at".split()
_LINES = (
    "last_activity_at last_failure_at count occurrences episode episode_since told_delivery_id "
    "decisions cycle_id cycle_since cycle_ended_at"
).split()

_JOINED = (
    Delivery.__table__.update()
    .where(Delivery.__table__.c.id == bindparam("mail"))
    .values(
        item_count=select(func.count())
        .where(DeliveryItem.delivery_id == bindparam("mail"))
        .scalar_subquery(),
        occurrences=bindparam("in_a_row"),
    )
)


_RECOVERED = (
    Delivery.__table__.update()
    .where(
        IS_OPEN,
        Delivery.integration_id == bindparam("whose"),
        Delivery.direction == bindparam("way"),
        # No IN, which cannot be run for many values at once.
        or_(Delivery.kind == DeliveryKind.FAILURE, Delivery.kind == DeliveryKind.INACTIVITY),
        Delivery.recovered_at.is_(None),
    )
    .values(recovered_at=bindparam("since"))
)

_HURRIED = (
    Delivery.__table__.update()
    .where(
        IS_WAITING,
        Delivery.integration_id == bindparam("whose"),
        Delivery.direction == bindparam("way"),
        Delivery.recovered_at.is_not(None),
        Delivery.attempt_count == 0,
    )
    .values(due_at=bindparam("now"))
)


def write(connection: Connection, batch: Batch) -> None:
    """Write all rows of `batch`; afterwards each failure and delivery has its id."""
    _write_traces(connection, batch)
    _write_deliveries(connection, batch)
    _write_failures(connection, batch)
    _write_items(connection, batch)
    _write_cycles(connection, batch)
    dirty = [line for line in batch.directions.values() if line.dirty]
    update_by_id(connection, IntegrationDirection.__table__, [_line(line) for line in dirty])


def _line(line: Lines) -> dict[str, Any]:
    """Return the row of a direction, with the ids of mails that are known only now."""
    if line.told_by is not None:
        line.told_delivery_id = line.told_by.id
    for kind, mail in line.decided_by.items():
        if mail is not None and line.decisions is not None:
            line.decisions[kind]["delivery"] = str(mail.id)
    return {"id": line.id} | {name: getattr(line, name) for name in _LINES}


def _write_traces(connection: Connection, batch: Batch) -> None:
    rows = [
        {
            "hash": trace.hash,
            "body": trace.body,
            "size": trace.size,
            "lines": trace.lines,
            "created_at": batch.now,
        }
        for _, trace in sorted(batch.traces.items())
    ]
    traces.keep(connection, rows)


def _write_deliveries(connection: Connection, batch: Batch) -> None:
    _mark_recovered(connection, batch)
    _hurry(connection, batch)
    rows = [_delivery(mail, batch) for mail in batch.deliveries]
    ids = insert_returning(connection, Delivery.__table__, rows)
    for mail, delivery_id in zip(batch.deliveries, ids, strict=True):
        mail.id = delivery_id


def _hurry(connection: Connection, batch: Batch) -> None:
    """Let what says that it works again go before the mail that it fails again, not after it."""
    values = [
        {"whose": integration_id, "way": direction, "now": batch.now}
        for integration_id, direction in sorted(batch.overtaken)
    ]
    if values:
        connection.execute(_HURRIED, values)


def _mark_recovered(connection: Connection, batch: Batch) -> None:
    """Let the mails of ended episodes, which were there before, say since when it works again."""
    values = [
        {"whose": integration_id, "way": direction, "since": at}
        for integration_id, direction, at in batch.recovered
    ]
    if values:
        connection.execute(_RECOVERED, values)


def _delivery(mail: DeliveryRow, batch: Batch) -> dict[str, Any]:
    return fresh(
        batch.now,
        kind=mail.kind,
        system_id=mail.system_id,
        lane_id=mail.lane_id,
        integration_id=mail.integration_id,
        direction=mail.direction,
        why=mail.why,
        why_text=mail.why_text,
        episode_since=mail.episode_since,
        recovered_at=mail.recovered_at,
        occurrences=mail.occurrences,
        item_count=len(mail.items),
        reported_at=mail.reported_at,
        due_at=batch.now if mail.at_once else None,
    )


def _write_failures(connection: Connection, batch: Batch) -> None:
    dirty = [row for row in batch.failures.values() if row.dirty]
    for row in dirty:
        _link(row)
    new = [row for row in dirty if row.id is None]
    values = [
        {name: getattr(row, name) for name in (*_FIXED, *_CHANGING)}
        | {"error_type": ErrorType.INTEGRATION}
        for row in new
    ]
    ids = insert_returning(connection, Failure.__table__, values)
    for row, failure_id in zip(new, ids, strict=True):
        row.id = failure_id
    fresh = set(ids)
    update_by_id(
        connection,
        Failure.__table__,
        [
            {"id": row.id} | {name: getattr(row, name) for name in _CHANGING}
            for row in dirty
            if row.id not in fresh
        ],
    )


def _link(row: FailureRow) -> None:
    """Put the ids of the mails, known only now, into the row and its decision."""
    if row.told_by is not None:
        row.told_delivery_id = row.told_by.id
    if row.decided_by is not None and row.decision is not None:
        row.decision["delivery"] = str(row.decided_by.id)


def _write_items(connection: Connection, batch: Batch) -> None:
    waiting = (*batch.joined, *(batch.waiting or {}).values())
    joined = [mail for mail in waiting if mail.items]
    mails = {id(mail): mail for mail in (*batch.deliveries, *joined)}.values()
    rows = [
        {"delivery_id": mail.id, "failure_id": failure.id}
        for mail in mails
        for failure in mail.items.values()
    ]
    insert_missing(connection, DeliveryItem.__table__, rows)
    if joined:
        values = [{"mail": mail.id, "in_a_row": mail.occurrences} for mail in joined]
        connection.execute(_JOINED, values)


def _write_cycles(connection: Connection, batch: Batch) -> None:
    rows = [
        {"direction_id": direction, "cycle_id": cycle, "episode": episode, "created_at": batch.now}
        for direction, cycle, episode in batch.new_cycles
    ]
    insert_missing(connection, CountedCycle.__table__, rows)
