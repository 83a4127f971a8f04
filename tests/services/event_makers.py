"""What the tests of events share: a matrix, systems behind its cells, and events reported to it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from app.clock import utc_now
from app.domain.kinds import LaneState, Policy
from app.models import Event, Lane, RouteRevision, System
from app.services import events, routing
from app.services.events import EventBody
from app.services.installation import Installation
from app.shapes import parse

EVENT = {"source": "metrics", "severity": "error", "title": "The disk is full"}
_BOUNDED: dict[str, Any] = {"policy": Policy.BOUNDED, "retry_number": 3, "retry_delay": 10}
Cells = dict[tuple[str, str], Any]


def system(
    site: Installation, name: str = "Sink", *, batch: Any = None, kind: str = "webhook"
) -> int:
    """Make a system; `batch` is (size, seconds)."""
    now = utc_now()
    options: dict[str, Any] = {"url": "http://127.0.0.1:9/"} if kind == "webhook" else {}
    if batch is not None:
        options["batchNotify"] = {"size": batch[0], "timeWindow": batch[1]}
    with site.store.session() as session:
        made = System(
            name=name, kind=kind, version="N/A", status="running", options=options, secrets={},
            created_at=now, updated_at=now,
        )  # fmt: skip
        session.add(made)
        session.flush()
        return made.id


def lane(site: Installation, system_id: int, row: str | None = "metrics") -> int:
    """Make the lane of a subscription."""
    with site.store.session() as session:
        values = {"system_id": system_id, "row": row, "since": utc_now(), "round": 0}
        made = Lane(state=LaneState.NORMAL, **values, **({} if row is None else _BOUNDED))
        session.add(made)
        session.flush()
        return made.id


def routes(site: Installation, cells: Cells, names: dict[int, str] | None = None) -> int:
    """Let a matrix hold: systems by (row, severity), or (systems, override)."""
    document: dict[str, Any] = {"cells": {}, "names": {str(k): v for k, v in (names or {}).items()}}
    for (row, severity), said in cells.items():
        systems, override = said if isinstance(said, tuple) else (said, False)
        cell = {"systems": systems, "override": override}
        document["cells"].setdefault(row, {})[severity] = cell
    now = utc_now()
    with site.store.session() as session:
        made = RouteRevision(made_at=now, actor="a test", document=document)
        session.add(made)
        session.flush()
        routing.touch(session.connection(), now)
        return made.id


def routed(site: Installation, *, batch: Any = None) -> tuple[int, int]:
    """Route errors of metrics to one system; returns it and its lane."""
    system_id = system(site, batch=batch)
    lane_id = lane(site, system_id)
    routes(site, {("metrics", "error"): [system_id]})
    return system_id, lane_id


def take(site: Installation, *bodies: dict[str, Any], api_key: int = 1) -> dict[str, Any]:
    """Report events as one request and return the answer."""
    made = [parse(EventBody, EVENT | body) for body in bodies or ({},)]
    return events.submit(site, events.prepare(api_key, made, utc_now()))


def event_rows(site: Installation) -> list[Any]:
    """Return all events, oldest first."""
    with site.store.reading() as connection:
        return list(connection.execute(select(Event.__table__).order_by(Event.id)))
