"""Registering many integrations at once, and the undo of unregistering."""

from __future__ import annotations

from app.api.endpoints import Call, Reply, endpoint
from app.api.resources import reply
from app.services import bulk, restoring
from app.services.api_keys import Scope
from app.services.bulk_shape import BulkBody
from app.services.documents import Document, IdText
from app.services.named import path_to
from app.services.reading import jobs
from app.services.reading.jobs import Registered, Skipped
from app.services.registration_shape import RegistrationBody
from app.services.restoring import RestoreBody

OPERATE = Scope.OPERATE
TAG = "Registrations"


class BulkQueued(Document):
    """The job that registers them."""

    job_id: IdText


class Restored(Document):
    """What an undo did."""

    restored: list[str]
    skipped: list[Skipped]


@endpoint(
    "POST",
    "/registrations/bulk",
    scope=OPERATE,
    tag=TAG,
    answers={200: Registered, 202: BulkQueued},
)
def register_in_bulk(call: Call, body: BulkBody) -> Reply:
    """Register many integrations with the same settings; those registered already are skipped.

    Up to 50 are done at once (200). More are the work of a job, which Location names (202).
    """
    job_id = bulk.register(call.site, call.caller.actor, body)
    done = jobs.registered(call.site, job_id)
    if done is not None or job_id is None:
        return Reply(done)
    return Reply(BulkQueued(job_id=job_id), 202, {"Location": path_to("/jobs", str(job_id))})


@endpoint(
    "POST",
    "/registrations/{name}/restore",
    scope=OPERATE,
    tag=TAG,
    answers={200: RegistrationBody},
    refusals=(409,),
)
def restore_registration(call: Call, name: str) -> Reply:
    """Undo unregistering: with the settings as they were, and what it cancelled is due again.

    409 where it is registered, and where the system that it named was deleted since.
    """
    return reply(restoring.one(call.site, call.caller.actor, name))


@endpoint("POST", "/registrations/restore", scope=OPERATE, tag=TAG, answers={200: Restored})
def restore_registrations(call: Call, body: RestoreBody) -> Restored:
    """Undo unregistering of many integrations; those that cannot be restored are skipped."""
    found = restoring.many(call.site, call.caller.actor, body.integrations)
    return Restored(
        restored=[key for key, reason in found.items() if reason is None],
        skipped=[Skipped(key=key, reason=reason) for key, reason in found.items() if reason],
    )
