"""The matrix that holds, or a draft of it, with how its systems do: read for preview and lint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.channels.http_url import parsed
from app.domain.board import Board, SystemFacts
from app.domain.event_kinds import Row
from app.domain.kinds import LaneState
from app.domain.routing import Matrix
from app.errors import DecryptionFailed
from app.models import Lane, System
from app.services import routing
from app.services.installation import Installation
from app.services.routes_check import checked
from app.services.systems import MAIL_KINDS

PAUSED = "paused"
# The secrets that say where a system of their kind reaches.
_ADDRESSES = ("url", "routingKey")


def current(site: Installation) -> Board:
    """Return the matrix that holds, as the next event meets it."""
    with site.store.viewing() as session:
        latest = routing.latest(session.connection())
        if latest is None:
            return Board()
        matrix = routing.matrix_of(latest.document)
        ids = {system for cell in matrix.cells.values() for system in cell.systems}
        systems = session.scalars(select(System).where(System.id.in_(ids))).all()
        return _board(site, session, matrix, {one.id: one for one in systems})


def draft(site: Installation, document: Any) -> Board:
    """Return the matrix of a body of PUT /routes (decoded JSON), unsaved.

    Raises Invalid with every fault that saving it would have.
    """
    with site.store.viewing() as session:
        routes, systems = checked(session, document)
        return _board(site, session, Matrix(routes.cells), systems)


def _board(
    site: Installation, session: Session, matrix: Matrix, systems: Mapping[int, System]
) -> Board:
    failing = _failing(session, systems)
    facts = {
        one.id: SystemFacts(
            one.name,
            one.kind,
            one.status == PAUSED,
            frozenset(failing.get(one.id, ())),
            _endpoint(site, one),
        )
        for one in systems.values()
    }
    return Board(matrix, facts)


def _failing(session: Session, ids: Iterable[int]) -> dict[int, set[Row]]:
    query = select(Lane.system_id, Lane.row).where(
        Lane.system_id.in_(set(ids)), Lane.state == LaneState.RETRYING
    )
    found: dict[int, set[Row]] = {}
    for system_id, row in session.execute(query):
        found.setdefault(system_id, set()).update(Row if row is None else (Row(row),))
    return found


def _endpoint(site: Installation, system: System) -> str | None:
    """Return a digest of whom a system reaches: no secret, but the same for the same."""
    if system.kind in MAIL_KINDS:
        said = [str(system.options.get("toEmail") or "").casefold()]
    else:
        said = [_address(str(system.options.get("url") or "")), *_opened(site, system)]
    whole = "\n".join(filter(None, said))
    return hashlib.sha256(whole.encode()).hexdigest() if whole else None


def _opened(site: Installation, system: System) -> list[str]:
    sealed = [system.secrets[name]["sealed"] for name in _ADDRESSES if name in system.secrets]
    try:
        return [_address(site.vault.open(one).reveal()) for one in sealed]
    except DecryptionFailed:
        return []  # told where it is used


def _address(typed: str) -> str:
    """Return a URL as it is dialled; what is none stays as it is."""
    try:
        return repr(parsed(typed))
    except ValueError:
        return typed
