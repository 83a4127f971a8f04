"""Dispatch passes as they are read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from app.domain.kinds import RunCause, RunState
from app.errors import NotFound
from app.models import DispatchRun
from app.services.documents import Document, IdText, Page
from app.services.installation import Installation
from app.services.paging import PageQuery, cut, page_of
from app.services.reading.selecting import newest_first


class RunDocument(Document):
    """One pass of the Post Failure Notification job; one that is queued has not started yet."""

    id: IdText
    cause: RunCause
    state: RunState
    started_at: datetime | None
    finished_at: datetime | None
    considered: int
    notified: int
    held: int
    skipped: int
    failed: int


def page(site: Installation, wanted: PageQuery) -> Page[RunDocument]:
    """Return the passes, newest first."""
    query = newest_first(_selected(), wanted, (DispatchRun.id,))
    with site.store.reading() as connection:
        part = cut(connection.execute(query).all(), wanted, lambda row: (row.id,))
    return page_of([_document(row) for row in part.rows], part)


def one(site: Installation, run_id: int) -> RunDocument:
    """Return a pass; raises NotFound."""
    with site.store.reading() as connection:
        row = connection.execute(_selected().where(DispatchRun.id == run_id)).first()
    if row is None:
        raise NotFound(f"There is no dispatch run {run_id}.")
    return _document(row)


def _selected() -> Select[Any]:
    return select(*(getattr(DispatchRun, name) for name in RunDocument.model_fields))


def _document(row: Any) -> RunDocument:
    """Return a row as it is shown; `queued` is an inner state, told apart by `startedAt`."""
    fields = dict(row._mapping)
    if fields["state"] is RunState.QUEUED:
        fields |= {"state": RunState.RUNNING, "started_at": None}
    return RunDocument(**fields)
