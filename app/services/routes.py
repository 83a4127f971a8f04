"""The routing matrix as it is configured: one document, kept in revisions (product.md 8, 9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.event_kinds import Row, Severity
from app.domain.retry import RetryPolicy
from app.domain.routing import EMPTY, Cell
from app.models import Lane, RouteRevision, System
from app.services import audit, routing, subscriptions
from app.services.configuring import Condition, run
from app.services.installation import Installation
from app.services.named import Change, Document, Saved, digest, merged, moment
from app.services.retry_shape import policy_of
from app.services.routes_check import Routes, checked
from app.services.routes_waiting import Waiting, settle
from app.services.systems import MAIL_KINDS

PATH = "/routes"
PAUSED = "paused"
Systems = Mapping[int, System]


def get(site: Installation) -> Saved:
    """Return the document of /routes."""
    with site.store.viewing() as session:
        return _saved(session)


def replace(
    site: Installation,
    actor: str,
    document: Any,
    condition: Condition | None = None,
    waiting: Waiting = Waiting.SEND,
) -> Saved:
    """Replace the whole matrix by `document`, decoded JSON; what it leaves out is empty.

    `waiting`: what becomes of deliveries whose system left its last cell of a row. Raises Invalid,
    Stale. One transaction, idempotent.
    """
    return run(site, actor, lambda change: _save(change, document, condition, waiting))


def patch(
    site: Installation,
    actor: str,
    changes: Mapping[str, Any],
    condition: Condition | None = None,
    waiting: Waiting = Waiting.SEND,
) -> Saved:
    """Merge `changes` into the matrix (RFC 7396: a list replaces a list); as `replace` else."""

    def work(change: Change) -> Saved:
        document = merged(_configured(change.session), changes)
        return _save(change, document, condition, waiting)

    return run(site, actor, work)


def _save(change: Change, document: Any, condition: Condition | None, waiting: Waiting) -> Saved:
    """Store what differs, as a new revision; a body that changes nothing leaves no trace."""
    session = change.session
    before, old = _stored(session), _configured(session)
    if condition is not None:
        condition(digest(old))
    after, systems = checked(session, document)
    told: list[Document] = []
    if after != before:
        _store(change, after, systems)
        told = settle(change, before.pairs - after.pairs, waiting)
        routing.touch(session.connection(), change.now)
        _audit(change, old)
    return _saved(session, told)


def _store(change: Change, routes: Routes, systems: Systems) -> None:
    change.session.add(
        RouteRevision(made_at=change.now, actor=change.actor, document=_document(routes, systems))
    )
    subscriptions.keep(change, _subscriptions(routes, systems), systems)


def _subscriptions(routes: Routes, systems: Systems) -> dict[tuple[Row, int], RetryPolicy | None]:
    """Return each row and HTTP system that has a cell or a policy of its own, with that policy."""
    pairs = routes.pairs | routes.policies.keys()
    return {
        (row, one): routes.policies.get((row, one))
        for row in Row
        for one in sorted(one for at, one in pairs if at is row)
        if systems[one].kind not in MAIL_KINDS
    }


def _document(routes: Routes, systems: Systems) -> Document:
    """Return the matrix as a revision holds it: by ids, with the names of this day."""
    cells: dict[str, Document] = {}
    for (row, severity), cell in routes.cells.items():
        said = {"systems": list(cell.systems), "override": cell.override}
        cells.setdefault(str(row), {})[str(severity)] = said
    policies: dict[str, Document] = {}
    for (row, one), policy in routes.policies.items():
        policies.setdefault(str(row), {})[str(one)] = policy.document
    ids = sorted({one for _, one in routes.pairs | routes.policies.keys()})
    names = {str(one): systems[one].name for one in ids}
    return {"cells": cells, "policies": policies, "names": names}


def _stored(session: Session) -> Routes:
    """Return the matrix that holds."""
    latest = routing.latest(session.connection())
    if latest is None:
        return Routes()
    policies = routing.policies_of(latest.document)
    own = {pair: policy for pair, one in policies.items() if (policy := policy_of(one))}
    return Routes(dict(routing.matrix_of(latest.document).cells), own)


def _systems(session: Session, ids: Iterable[int]) -> Systems:
    return {one.id: one for one in session.scalars(select(System).where(System.id.in_(set(ids))))}


def _named(session: Session, routes: Routes) -> Systems:
    return _systems(session, (one for _, one in routes.pairs | routes.policies.keys()))


def _configured(session: Session) -> Document:
    """Return the matrix as a PUT of it as it is would say: all cells, and policies that are own."""
    routes = _stored(session)
    systems = _named(session, routes)
    return {
        "cells": [
            _cell(row, severity, routes.cells.get((row, severity), EMPTY), systems)
            for row in Row
            for severity in Severity
        ],
        "subscriptions": [
            {"source": str(row), "system": systems[one].name, "retryPolicy": policy.document}
            for (row, one), policy in _subscriptions(routes, systems).items()
            if policy is not None
        ],
    }


def _cell(row: Row, severity: Severity, cell: Cell, systems: Systems) -> Document:
    names = [systems[one].name for one in cell.systems]
    place = {"source": str(row), "severity": str(severity)}
    return {**place, "systems": names, "override": cell.override}


def _audit(change: Change, before: Document) -> None:
    """Write what was and what is, without the cells that say nothing."""
    connection, after = change.session.connection(), _configured(change.session)
    said = [_said(document) for document in (before, after)]
    audit.record(connection, change.actor, "update", "routes", "routes", *said)


def _said(document: Document) -> Document:
    cells = [cell for cell in document["cells"] if cell["systems"] or cell["override"]]
    return {**document, "cells": cells}


def _saved(session: Session, told: list[Document] | None = None) -> Saved:
    """Return the answer; its version is that of what is configured."""
    session.flush()
    configured, latest = _configured(session), routing.latest(session.connection())
    document = {
        "cells": configured["cells"],
        "subscriptions": _shown(session),
        "waiting": told or [],
        "revision": str(latest.id) if latest else None,
        "updatedAt": moment(latest.made_at) if latest else None,
    }
    return Saved(document, digest(configured))


def _shown(session: Session) -> list[Document]:
    routes = _stored(session)
    systems = _named(session, routes)
    columns = (Lane.id, Lane.row, Lane.system_id, Lane.state)
    query = select(*columns).where(Lane.row.is_not(None), Lane.system_id.in_(systems))
    lanes = {(lane.row, lane.system_id): lane for lane in session.execute(query)}
    return [
        _subscription(row, systems[one], own, lanes.get((str(row), one)))
        for (row, one), own in _subscriptions(routes, systems).items()
    ]


def _subscription(row: Row, system: System, own: RetryPolicy | None, lane: Any) -> Document:
    holds = subscriptions.holding(row, own, system)
    state = None if lane is None else PAUSED if system.status == PAUSED else str(lane.state)
    return {
        "source": str(row),
        "system": system.name,
        "retryPolicy": None if own is None else own.document,
        "effective": {
            "retryPolicy": holds.policy.document,
            "origin": str(holds.origin),
            "note": holds.note,
        },
        "lane": None if lane is None else str(lane.id),
        "state": state,
    }
