"""Jobs: long pieces of work, how far they are, and what became of each of their rows."""

from __future__ import annotations

from app.api.endpoints import Call, endpoint
from app.services.api_keys import Scope
from app.services.documents import Page
from app.services.paging import PageQuery
from app.services.reading import jobs
from app.services.reading.jobs import JobDocument, JobRowDocument, JobRowQuery

TAG = "Jobs"


@endpoint("GET", "/jobs", scope=Scope.READ, tag=TAG, answers={200: Page[JobDocument]})
def list_jobs(call: Call, query: PageQuery) -> Page[JobDocument]:
    """The long pieces of work that were asked for, newest first."""
    return jobs.page(call.site, query)


@endpoint("GET", "/jobs/{id}", scope=Scope.READ, tag=TAG, answers={200: JobDocument})
def read_job(call: Call, id: int) -> JobDocument:
    """One job: how far it is, and how many of its rows ended how."""
    return jobs.one(call.site, id)


@endpoint("GET", "/jobs/{id}/rows", scope=Scope.READ, tag=TAG, answers={200: Page[JobRowDocument]})
def list_job_rows(call: Call, id: int, query: JobRowQuery) -> Page[JobRowDocument]:
    """What became of each row of a job, in the order in which they are done."""
    return jobs.rows_of(call.site, id, query)
