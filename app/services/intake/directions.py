"""Reads where the directions of reported integrations stand; their rows are the lock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam

from app.domain.kinds import Direction
from app.models import Integration, IntegrationDirection
from app.services.intake.rows import Lines
from app.services.standing import directions, rules_of

_STATE = (
    IntegrationDirection.id,
    IntegrationDirection.integration_id,
    Integration.key.label("integration_key"),
    Integration.max_retry_count,
    IntegrationDirection.direction,
    IntegrationDirection.active,
    IntegrationDirection.last_activity_at,
    IntegrationDirection.last_failure_at,
    IntegrationDirection.count,
    IntegrationDirection.occurrences,
    IntegrationDirection.episode,
    IntegrationDirection.episode_since,
    IntegrationDirection.told_delivery_id,
    IntegrationDirection.silent_episode,
    IntegrationDirection.decisions,
    IntegrationDirection.cycle_id,
    IntegrationDirection.cycle_since,
    IntegrationDirection.cycle_ended_at,
)
# A statement of the hot path is built once: building one costs more than running it.
_LINES = (
    directions(*_STATE)
    .where(Integration.key.in_(bindparam("keys", expanding=True)))
    .with_for_update(of=IntegrationDirection)
)


def lines_of_keys(connection: Connection, keys: set[str]) -> dict[tuple[str, Direction], Lines]:
    """Read and lock both directions of each integration of `keys`."""
    rows = connection.execute(_LINES, {"keys": list(keys)})
    return {(row.integration_key, row.direction): _line(row) for row in rows}


def _line(row: Any) -> Lines:
    """Return where a direction stands, with the rules of its registration, if it has one."""
    line = Lines(*row[: len(_STATE)])
    line.rules = rules_of(row)
    if line.rules is not None:
        line.system_id, line.lane_id = row.system_id, row.lane_id
        line.no_activity_minutes, line.tell_recovery = row.no_activity_minutes, row.tell_recovery
    return line
