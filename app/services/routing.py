"""The routing matrix that holds, as intake needs it: read once, and again when it was changed.

A change of routes, or of a system, touches a stamp in the same transaction; whoever decides asks
for the stamp in its own transaction, and reads anew where it differs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, bindparam, select

from app.channels import webhook_batches
from app.domain.event_kinds import Row, Severity
from app.domain.routing import Cell, Matrix, Subscription
from app.models import Lane, Preference, RouteRevision, System
from app.services.hot import Hot
from app.services.installation import Installation
from app.services.sql import insert

# An internal row of `settings`; preferences ignore names that begin with "_".
STAMP = "_routing"
MAIL_KINDS = ("smtp",)
_STAMP = select(Preference.value).where(Preference.name == STAMP)
# On PostgreSQL a change of routes waits for those who decide by the routes before.
_LOOK = Hot(_STAMP.with_for_update(read=True, key_share=True))
_LATEST = (
    select(RouteRevision.id, RouteRevision.document, RouteRevision.made_at)
    .order_by(RouteRevision.id.desc())
    .limit(1)
)

_IDS: Any = bindparam("ids", expanding=True)
_SYSTEMS = select(System.id, System.name, System.kind, System.options).where(System.id.in_(_IDS))
_LANES = select(Lane.id, Lane.row, Lane.system_id).where(Lane.system_id.in_(_IDS))


@dataclass(frozen=True)
class Target:
    """A subscription as intake sees it: the lane of one row and system.

    `size` above 1: events are collected, up to `size` of them or for `window` (batch notify).
    """

    lane_id: int
    system_id: int
    mail: bool
    size: int = 1
    window: timedelta = timedelta()


@dataclass(frozen=True)
class Routing:
    """The matrix, and the subscription of each row and system in it."""

    revision_id: int | None = None
    matrix: Matrix = field(default_factory=Matrix)
    targets: Mapping[Subscription, Target] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)


_known: WeakKeyDictionary[object, tuple[Any, Routing]] = WeakKeyDictionary()


def current(site: Installation, connection: Connection) -> Routing:
    """Return the routing that holds in the transaction of `connection`."""
    stamp = _LOOK.one(connection, {})
    known = _known.get(site.store)
    if known is not None and known[0] == stamp:
        return known[1]
    routing = load(connection)
    _known[site.store] = (stamp, routing)
    return routing


def touch(connection: Connection, now: datetime) -> None:
    """Let every process read the routing anew, from the caller's commit on."""
    table = Preference.__table__
    before: Any = connection.scalar(_STAMP.with_for_update())
    row = {"value": int(before or 0) + 1, "updated_at": now}
    made = insert(connection, table).values(name=STAMP, **row)
    connection.execute(made.on_conflict_do_update(index_elements=["name"], set_=row))


def load(connection: Connection) -> Routing:
    """Read the latest revision with the lanes and systems that it names."""
    found = latest(connection)
    if found is None:
        return Routing()
    matrix = matrix_of(found.document)
    ids = {system for cell in matrix.cells.values() for system in cell.systems}
    rows = connection.execute(_SYSTEMS, {"ids": list(ids)}).all()
    wanted = {(row, system.id) for system in rows for row in matrix.rows_of(system.id)}
    names = {system.id: system.name for system in rows}
    return Routing(found.id, matrix, _targets(connection, rows, wanted), names)


def targets(connection: Connection, wanted: Collection[Subscription]) -> dict[Subscription, Target]:
    """Return those of the subscriptions that have a lane, in the matrix still or not any more."""
    ids = {system for _, system in wanted}
    return _targets(connection, connection.execute(_SYSTEMS, {"ids": list(ids)}).all(), wanted)


def _targets(
    connection: Connection, systems: Iterable[Any], wanted: Collection[Subscription]
) -> dict[Subscription, Target]:
    known = {system.id: system for system in systems}
    lanes = {
        (lane.row, lane.system_id): lane.id
        for lane in connection.execute(_LANES, {"ids": list(known)})
    }
    made = (
        ((row, system), _target(lanes, row, known[system]))
        for row, system in wanted
        if system in known
    )
    return {subscription: target for subscription, target in made if target is not None}


def _target(lanes: Mapping[tuple[str | None, int], int], row: Row, system: Any) -> Target | None:
    mail = system.kind in MAIL_KINDS
    lane_id = lanes.get((None if mail else str(row), system.id))
    if lane_id is None:
        return None
    size, seconds = _batch(system)
    return Target(lane_id, system.id, mail, size, timedelta(seconds=seconds))


def _batch(system: Any) -> tuple[int, int]:
    """Return how many events a system takes at once, and how long the first waits for others."""
    asked = webhook_batches.asked(system.options)
    return asked or (1, 0)


def matrix_of(document: Mapping[str, Any]) -> Matrix:
    """Return the matrix of a revision: {"cells": {row: {severity: {"systems", "override"}}}}."""
    return Matrix(
        {
            (Row(row), Severity(severity)): Cell(tuple(cell["systems"]), cell["override"])
            for row, severities in document["cells"].items()
            for severity, cell in severities.items()
        }
    )


def policies_of(document: Mapping[str, Any]) -> dict[tuple[Row, int], Mapping[str, Any]]:
    """Return the retry policies of a revision: {"policies": {row: {system id: policy}}}."""
    return {
        (Row(row), int(system)): policy
        for row, policies in document.get("policies", {}).items()
        for system, policy in policies.items()
    }


def latest(connection: Connection) -> Any:
    """Return `id`, `document` and `made_at` of the revision that holds, or None."""
    return connection.execute(_LATEST).first()
