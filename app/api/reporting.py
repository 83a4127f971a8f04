"""Reporting: failures and activity of an integration, answered once they are durable."""

from __future__ import annotations

from app.api.endpoints import Call, Reply, endpoint
from app.clock import utc_now
from app.errors import Fault, Forbidden, Invalid, NotFound
from app.services import intake
from app.services.api_keys import Scope
from app.services.documents import Document, IdText
from app.services.intake import ActivityBody, FailureBody, Report
from app.shapes import line_break

HEADER = "Idempotency-Key"
MAX_CLIENT_ID = 128
REFUSALS = (404, 409)
HEADERS = {HEADER: "Makes the report safe to send again; the same as `id`."}


class FailureCounted(Document):
    """The failure that a report was counted on."""

    id: IdText
    count: int
    state: str


class FailureReported(Document):
    """A failure was taken; with `duplicate` it had been taken before, to no second effect."""

    duplicate: bool
    failure: FailureCounted
    event: IdText | None


class ActivityReported(Document):
    """Activity was taken; `recovered`: it ended an episode; `resolved`: entities that are well."""

    duplicate: bool
    recovered: bool
    resolved: int


@endpoint(
    "POST",
    "/integrations/{key}/failures",
    scope=Scope.REPORT,
    tag="Reporting",
    answers={202: FailureReported},
    refusals=REFUSALS,
    headers=HEADERS,
    direct=True,
)
def report_failure(call: Call, key: str, body: FailureBody) -> Reply:
    """Report a failure of an integration.

    The answer comes once the report is durable. An `Idempotency-Key` header, or `id`, makes it safe
    to send it again for 2 months.
    """
    return _submit(call, key, body)


@endpoint(
    "POST",
    "/integrations/{key}/activity",
    scope=Scope.REPORT,
    tag="Reporting",
    answers={202: ActivityReported},
    refusals=REFUSALS,
    headers=HEADERS,
    direct=True,
)
def report_activity(call: Call, key: str, body: ActivityBody) -> Reply:
    """Report that a direction of an integration ran.

    Ends the direction's episode of failures, and resolves the entities that are named.
    """
    return _submit(call, key, body)


def _submit(call: Call, key: str, body: FailureBody | ActivityBody) -> Reply:
    limit = call.caller.integration_key
    if limit not in (None, key):
        raise Forbidden(f"This API key may report for the integration {limit} only.")
    given = client_id(call.headers.get(HEADER), body.id)
    report = Report(call.caller.id, given, key, body, utc_now(), may_create=limit is None)
    try:
        return Reply(intake.submit(call.site, report).document)
    except NotFound as error:
        if limit is None:
            raise
        raise Forbidden("This API key may not make its integration; make it first.") from error


def client_id(header: str | None, field: str | None) -> str | None:
    """Return the idempotency key of header or body; raises Invalid where they differ."""
    if header is None:
        return field
    try:
        # WSGI hands headers on as Latin-1.
        given = header.encode("latin-1").decode()
    except UnicodeError as error:
        raise Invalid([Fault(f"/{HEADER}", "must be UTF-8")]) from error
    if not given.strip() or len(given) > MAX_CLIENT_ID or line_break(given):
        message = f"must be one line of 1 to {MAX_CLIENT_ID} characters"
        raise Invalid([Fault(f"/{HEADER}", message)])
    if field not in (None, given):
        raise Invalid([Fault("/id", f"must be equal to the header {HEADER}, or left out")])
    return given
