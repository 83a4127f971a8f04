"""Acting: run the job, try a lane, cancel or replay a delivery, and what is done to a failure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.api.endpoints import Call, Reply, endpoint
from app.domain.kinds import RunCause
from app.services import dispatch, failures, lanes, outbox, replay_bulk, replays
from app.services.api_keys import Scope
from app.services.documents import Document, IdText
from app.services.named import path_to
from app.services.reading import deliveries as read_deliveries
from app.services.reading import failures as read_failures
from app.services.reading import lanes as read_lanes
from app.services.reading.deliveries import DeliveryWithAttempts
from app.services.reading.failures import FailureWithTrace
from app.services.reading.lanes import LaneDocument
from app.services.replay_bulk import ReplayManyBody
from app.shapes import Shape, text

OPERATE = Scope.OPERATE


class RunRequested(Document):
    """The pass that sees everything committed before the call."""

    id: IdText


class ReplayBody(Shape):
    """Through which system; left out: the same."""

    system: Annotated[str, text(255)] | None = Field(None, description="Name of the system.")


class Replayed(Document):
    """The delivery that follows."""

    delivery: IdText


class ReplaysQueued(Document):
    """The job that sends them again."""

    job_id: IdText | None = Field(description="Null: the filter finds none.")


@endpoint("POST", "/dispatch-runs", scope=OPERATE, tag="Dispatch runs", answers={202: RunRequested})
def request_dispatch_run(call: Call) -> RunRequested:
    """Run the Post Failure Notification job now.

    The pass sees everything committed before the call; a second one is queued if one is running.
    """
    return RunRequested(id=dispatch.request(call.site, RunCause.MANUAL))


@endpoint("POST", "/lanes/{id}/try", scope=OPERATE, tag="Lanes", answers={202: LaneDocument})
def try_lane(call: Call, id: int) -> LaneDocument:
    """Try a lane now: what waits in it is due at once."""
    lanes.try_now(call.site, id)
    return read_lanes.one(call.site, id)


@endpoint(
    "POST",
    "/deliveries/{id}/cancel",
    scope=OPERATE,
    tag="Deliveries",
    answers={200: DeliveryWithAttempts},
    refusals=(409,),
)
def cancel_delivery(call: Call, id: int) -> DeliveryWithAttempts:
    """Cancel a delivery that waits; one that is final, or being sent, is a conflict."""
    outbox.cancel(call.site, id, call.caller.actor)
    return read_deliveries.one(call.site, id)


@endpoint(
    "POST",
    "/deliveries/{id}/replay",
    scope=OPERATE,
    tag="Deliveries",
    answers={202: Replayed},
    refusals=(409,),
)
def replay_delivery(call: Call, id: int, body: ReplayBody | None) -> Replayed:
    """Send a final delivery again, as a new one; also through another system.

    409 where it waits still, and where nothing that it told is left.
    """
    system = None if body is None else body.system
    return Replayed(delivery=replays.replay(call.site, id, call.caller.actor, system))


@endpoint(
    "POST",
    "/deliveries/replay",
    scope=OPERATE,
    tag="Deliveries",
    answers={202: ReplaysQueued},
)
def replay_deliveries(call: Call, body: ReplayManyBody) -> Reply:
    """Send many deliveries again, through the systems that they went through, as a job.

    Those of a filter are the ones that it finds now. What cannot be sent again is skipped with its
    reason, which the rows of the job tell. Up to 50 are done at once.
    """
    which = body.filter if body.deliveries is None else body.deliveries
    assert which is not None  # noqa: S101 - the body has one of them
    job_id = replay_bulk.many(call.site, call.caller.actor, which)
    headers = {} if job_id is None else {"Location": path_to("/jobs", str(job_id))}
    return Reply(ReplaysQueued(job_id=job_id), headers=headers)


@endpoint("DELETE", "/failures/{id}", scope=OPERATE, tag="Failures", answers={204: None})
def delete_failure(call: Call, id: int) -> Reply:
    """Delete a failure; reported again, it is a new one."""
    failures.delete(call.site, id, call.caller.actor)
    return Reply(None)


@endpoint(
    "POST", "/failures/{id}/resolve", scope=OPERATE, tag="Failures", answers={200: FailureWithTrace}
)
def resolve_failure(call: Call, id: int) -> FailureWithTrace:
    """Mark a failure as resolved; reported again, it is open again."""
    failures.resolve(call.site, id, call.caller.actor)
    return read_failures.one(call.site, id)


@endpoint(
    "POST",
    "/failures/{id}/reset-retries",
    scope=OPERATE,
    tag="Failures",
    answers={200: FailureWithTrace},
)
def reset_failure_retries(call: Call, id: int) -> FailureWithTrace:
    """Set the retry count of a failure to 0, so that it may be told once more."""
    failures.reset_retries(call.site, id, call.caller.actor)
    return read_failures.one(call.site, id)
