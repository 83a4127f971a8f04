"""Jobs as they are read: how far each is, and what became of each of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Select, select

from app.domain.kinds import JobKind, JobState, RowOutcome
from app.errors import NotFound
from app.models import Job, JobRow
from app.services.documents import Document, IdText, Page
from app.services.installation import Installation
from app.services.paging import PageQuery, cut, page_of
from app.services.reading.selecting import first_first, newest_first


class JobDocument(Document):
    """A long piece of work; `done` of `total` rows are done, `counts` says how they ended."""

    id: IdText
    kind: JobKind
    state: JobState
    total: int
    done: int
    counts: Mapping[str, int]
    error: str | None = Field(description="Why it failed.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Skipped(Document):
    """What was left alone, and why."""

    key: str
    reason: str


class Registered(Document):
    """What a bulk registration did."""

    registered: list[str]
    skipped: list[Skipped]


class JobRowQuery(PageQuery):
    """The filters of the rows of a job."""

    outcome: RowOutcome | None = None


class JobRowDocument(Document):
    """One thing that a job does; `outcome` null: it is not done."""

    key: str
    outcome: RowOutcome | None
    reason: str | None = Field(description="Why it was skipped, or not done.")


def page(site: Installation, wanted: PageQuery) -> Page[JobDocument]:
    """Return the jobs, newest first."""
    query = newest_first(_selected(), wanted, (Job.id,))
    with site.store.reading() as connection:
        part = cut(connection.execute(query).all(), wanted, lambda row: (row.id,))
    return page_of([JobDocument(**row._mapping) for row in part.rows], part)


def one(site: Installation, job_id: int) -> JobDocument:
    """Return a job; raises NotFound."""
    with site.store.reading() as connection:
        row = connection.execute(_selected().where(Job.id == job_id)).first()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return JobDocument(**row._mapping)


def rows_of(site: Installation, job_id: int, wanted: JobRowQuery) -> Page[JobRowDocument]:
    """Return the rows of a job in order of place; raises NotFound."""
    job = one(site, job_id)
    columns: list[Any] = [JobRow.place, JobRow.key, JobRow.outcome, JobRow.reason]
    query = select(*columns)
    query = query.where(JobRow.job_id == job_id)
    if wanted.outcome is not None:
        query = query.where(JobRow.outcome == wanted.outcome)
    query = first_first(query, wanted, (JobRow.place,))
    with site.store.reading() as connection:
        found = connection.execute(query).all()
    part = cut(found, wanted, lambda row: (row.place,))
    return page_of([_row(job, row) for row in part.rows], part)


def registered(site: Installation, job_id: int | None) -> Registered | None:
    """Return what a bulk registration did; None where its job is not done. No job: nothing."""
    if job_id is None:
        return Registered(registered=[], skipped=[])
    if one(site, job_id).state is not JobState.DONE:
        return None
    query = select(JobRow.key, JobRow.outcome, JobRow.reason).where(JobRow.job_id == job_id)
    with site.store.reading() as connection:
        rows = connection.execute(query.order_by(JobRow.place)).all()
    return Registered(
        registered=[row.key for row in rows if row.outcome is RowOutcome.REGISTERED],
        skipped=[
            Skipped(key=row.key, reason=row.reason)
            for row in rows
            if row.outcome is RowOutcome.SKIPPED
        ],
    )


def _selected() -> Select[Any]:
    return select(*(getattr(Job, name) for name in JobDocument.model_fields))


def _row(job: JobDocument, row: Any) -> JobRowDocument:
    reason = row.reason
    if row.outcome is None and job.state is JobState.FAILED:
        reason = f"not done: {job.error}"
    return JobRowDocument(key=row.key, outcome=row.outcome, reason=reason)
