"""Reads the working set of an intake transaction: a few statements, however many reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select

from app.domain.kinds import (
    DeliveryKind,
    DeliveryState,
    Direction,
    FailureState,
    Kind,
    RecipientState,
)
from app.models import (
    IS_WAITING,
    CountedCycle,
    Delivery,
    DeliveryRecipient,
    Failure,
)
from app.services import integrations, preferences
from app.services.intake.apply import identity
from app.services.intake.directions import lines_of_keys
from app.services.intake.reports import ActivityBody, FailureBody, Report
from app.services.intake.rows import DeliveryRow, FailureRow, Lines, Standing
from app.services.intake.state import ALL, Batch, WaitingKey
from app.services.sql import pair_values, where_pairs

_FAILURE_COLUMNS = [
    Failure.__table__.c[name]
    for name in FailureRow.__dataclass_fields__
    if name in Failure.__table__.c
]

# Statements of the hot path are built once: building one costs more than running it.
_REPEATED = select(*_FAILURE_COLUMNS).where(
    Failure.identity.in_(bindparam("identities", expanding=True))
)
_EPISODE = select(*_FAILURE_COLUMNS).where(
    Failure.direction_id == bindparam("direction_id"),
    Failure.kind == Kind.GLOBAL,
    Failure.state == FailureState.OPEN,
    or_(
        Failure.told_delivery_id.is_distinct_from(bindparam("mail")),
        Failure.told_episode.is_distinct_from(Failure.episode),
    ),
)
_WAITING = (
    select(
        Delivery.integration_id,
        Delivery.direction,
        Delivery.kind,
        Delivery.id,
        Delivery.system_id,
        Delivery.lane_id,
        Delivery.why,
        Delivery.why_text,
        Delivery.reported_at,
        Delivery.episode_since,
        Delivery.occurrences,
    )
    .where(
        Delivery.integration_id.in_(bindparam("ids", expanding=True)),
        IS_WAITING,
        Delivery.kind.in_((DeliveryKind.FAILURE, DeliveryKind.DIGEST)),
        Delivery.attempt_count == 0,
        # What waits of an episode that has ended is not joined by the next one.
        Delivery.recovered_at.is_(None),
    )
    .order_by(Delivery.id)
    .with_for_update()
)


def load(connection: Connection, reports: Sequence[Report], now: datetime) -> Batch:
    """Lock the directions concerned (PostgreSQL: in order of id) and read what they need."""
    wishes = preferences.load(connection)
    keys = {report.integration_key for report in reports}
    lines = lines_of_keys(connection, keys)
    missing = _creatable(reports, lines, allowed=wishes.create_integrations_on_first_report)
    if missing:
        integrations.make_unknown(connection, sorted(missing), now)
        lines = lines_of_keys(connection, keys)
    batch = Batch(now, timedelta(minutes=wishes.repeat_interval_minutes), lines)
    known = [report for report in reports if (report.integration_key, report.direction) in lines]
    _load_failures(connection, batch, known)
    _load_cycles(connection, batch, known)
    batch.load_waiting = lambda: _waiting(connection, lines.values())
    batch.load_standing = partial(_standing, connection)
    batch.load_episode = partial(_load_episode, connection, batch, set())
    return batch


def _creatable(
    reports: Sequence[Report], lines: dict[tuple[str, Direction], Lines], *, allowed: bool
) -> set[str]:
    if not allowed:
        return set()
    there = {key for key, _ in lines}
    return {
        report.integration_key
        for report in reports
        if report.may_create and report.integration_key not in there
    }


def _failure(row: Any) -> FailureRow:
    return FailureRow(*row)


def _load_failures(connection: Connection, batch: Batch, reports: Sequence[Report]) -> None:
    """Read the rows that the reports repeat, and the open rows of entities they resolve."""
    wanted = {
        identity(report.body, batch.directions[(report.integration_key, report.direction)].id)
        for report in reports
        if isinstance(report.body, FailureBody)
    }
    if wanted:
        rows = connection.execute(_REPEATED, {"identities": list(wanted)})
        _keep(batch, rows)
    entities = {
        (batch.directions[(report.integration_key, report.direction)].id, entity.entity_id)
        for report in reports
        if isinstance(report.body, ActivityBody)
        for entity in report.body.resolved_entities
    }
    if entities:
        table = Failure.__table__.c
        query = where_pairs(connection, _FAILURE_COLUMNS, table.direction_id, table.entity_id)
        query = query.where(table.kind == Kind.PROCESSING, table.state == FailureState.OPEN)
        _keep(batch, connection.execute(query, pair_values(connection, entities)))


def _keep(batch: Batch, rows: Any) -> None:
    for row in rows:
        batch.keep(_failure(row))


def _load_cycles(connection: Connection, batch: Batch, reports: Sequence[Report]) -> None:
    wanted = {
        (
            batch.directions[(report.integration_key, report.direction)].id,
            report.body.cycle_id,
        )
        for report in reports
        if report.body.cycle_id is not None
    }
    if not wanted:
        return
    cycle = CountedCycle.__table__.c
    columns = (cycle.direction_id, cycle.cycle_id, cycle.episode)
    query = where_pairs(connection, columns, cycle.direction_id, cycle.cycle_id)
    for row in connection.execute(query, pair_values(connection, wanted)):
        batch.cycles.add((row.direction_id, row.cycle_id, row.episode))
        batch.failed_cycles.add((row.direction_id, row.cycle_id))


def _load_episode(
    connection: Connection, batch: Batch, loaded: set[tuple[int, int]], lines: Lines, mail_id: int
) -> None:
    """Read the open rows of the direction once, without those that the mail tells already."""
    if loaded.isdisjoint({(lines.id, ALL), (lines.id, mail_id)}):
        loaded.add((lines.id, mail_id))
        values = {"direction_id": lines.id, "mail": mail_id}
        _keep(batch, connection.execute(_EPISODE, values))


def _waiting(connection: Connection, lines: Iterable[Lines]) -> dict[WaitingKey, DeliveryRow]:
    """Read the untried mails that wait for the pass, and lock them against it, in order of id."""
    ids = sorted({line.integration_id for line in lines if line.rules is not None})
    found: dict[WaitingKey, DeliveryRow] = {}
    for row in connection.execute(_WAITING, {"ids": ids}) if ids else ():
        mail = DeliveryRow(at_once=False, **row._mapping)
        found.setdefault((row.integration_id, row.direction, row.kind), mail)
    return found


def _standing(connection: Connection, mail_id: int) -> Standing:
    """Read where a mail stands, and lock it against its claim while it waits.

    One that somebody else has locked is being claimed or settled: it counts as under way, as
    waiting for it here could end in a deadlock with the steps of sending.
    """
    row = select(Delivery.state).where(Delivery.id == mail_id)
    state = connection.scalar(row)
    if state in (DeliveryState.CANCELLED, DeliveryState.DEAD):
        return Standing(waits=False, sent=None)
    if state is None:
        # Pruned, so it was delivered: one that did not go would have been forgotten.
        return Standing(waits=False, sent=True)
    waits = row.where(Delivery.state == DeliveryState.PENDING).with_for_update(skip_locked=True)
    if connection.scalar(waits) is None:
        return Standing(waits=False, sent=True)
    got = select(DeliveryRecipient.address).where(
        DeliveryRecipient.delivery_id == mail_id,
        DeliveryRecipient.state == RecipientState.ACCEPTED,
    )
    return Standing(waits=True, sent=connection.scalar(got.limit(1)) is not None)
