"""Reading: failures, deliveries, lanes and dispatch passes, as keyset pages and one by one."""

from __future__ import annotations

from flask import Response

from app.api.endpoints import Call, endpoint
from app.services import trace_file
from app.services.api_keys import Scope
from app.services.documents import Page
from app.services.paging import PageQuery
from app.services.reading import deliveries, failures, lanes, runs
from app.services.reading.decisions import Decision
from app.services.reading.deliveries import (
    DeliveryDocument,
    DeliveryQuery,
    DeliveryWithAttempts,
)
from app.services.reading.failures import FailureDocument, FailureQuery, FailureWithTrace
from app.services.reading.lanes import LaneDocument, LaneQuery
from app.services.reading.runs import RunDocument

READ = Scope.READ


@endpoint("GET", "/failures", scope=READ, tag="Failures", answers={200: Page[FailureDocument]})
def list_failures(call: Call, query: FailureQuery) -> Page[FailureDocument]:
    """The failures of a filter, the last reported first."""
    return failures.page(call.site, query)


@endpoint("GET", "/failures/{id}", scope=READ, tag="Failures", answers={200: FailureWithTrace})
def read_failure(call: Call, id: int) -> FailureWithTrace:
    """One failure, with the trace of its last report."""
    return failures.one(call.site, id)


@endpoint(
    "GET",
    "/failures/{id}/trace.pdf",
    scope=READ,
    tag="Failures",
    answers={200: None},
    refusals=(409,),
    media_type="application/pdf",
)
def read_trace_pdf(call: Call, id: int) -> Response:
    """The trace of a failure as a PDF, as mails attach it.

    Made when it is asked for, which takes some seconds; two at a time, then 503. 409 says why
    none can be made of this trace.
    """
    headers = {"Content-Disposition": f'attachment; filename="trace-{id}.pdf"'}
    made = trace_file.made(call.site, id)
    return Response(made, headers=headers, content_type="application/pdf")


@endpoint(
    "GET", "/failures/{id}/decisions", scope=READ, tag="Failures", answers={200: Page[Decision]}
)
def read_failure_decisions(call: Call, id: int) -> Page[Decision]:
    """Whether a failure was told, and why: one decision for each rule, with what it was before."""
    return failures.decided(call.site, id)


@endpoint("GET", "/deliveries", scope=READ, tag="Deliveries", answers={200: Page[DeliveryDocument]})
def list_deliveries(call: Call, query: DeliveryQuery) -> Page[DeliveryDocument]:
    """The deliveries of a filter, newest first."""
    return deliveries.page(call.site, query)


@endpoint(
    "GET", "/deliveries/{id}", scope=READ, tag="Deliveries", answers={200: DeliveryWithAttempts}
)
def read_delivery(call: Call, id: int) -> DeliveryWithAttempts:
    """One delivery, with its attempts and why it was made."""
    return deliveries.one(call.site, id)


@endpoint("GET", "/lanes", scope=READ, tag="Lanes", answers={200: Page[LaneDocument]})
def list_lanes(call: Call, query: LaneQuery) -> Page[LaneDocument]:
    """The lanes of a filter, newest first."""
    return lanes.page(call.site, query)


@endpoint("GET", "/lanes/{id}", scope=READ, tag="Lanes", answers={200: LaneDocument})
def read_lane(call: Call, id: int) -> LaneDocument:
    """One lane: its state, what waits in it, and what went wrong last."""
    return lanes.one(call.site, id)


@endpoint(
    "GET", "/dispatch-runs", scope=READ, tag="Dispatch runs", answers={200: Page[RunDocument]}
)
def list_dispatch_runs(call: Call, query: PageQuery) -> Page[RunDocument]:
    """The passes of the Post Failure Notification job, newest first."""
    return runs.page(call.site, query)


@endpoint("GET", "/dispatch-runs/{id}", scope=READ, tag="Dispatch runs", answers={200: RunDocument})
def read_dispatch_run(call: Call, id: int) -> RunDocument:
    """One pass with what it did."""
    return runs.one(call.site, id)
