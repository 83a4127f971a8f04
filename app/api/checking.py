"""Checking a system: what connecting to it finds, step by step."""

from __future__ import annotations

from pydantic import Field

from app.api.endpoints import Call, endpoint
from app.services import checking
from app.services.api_keys import Scope
from app.services.documents import Document
from app.services.systems import SystemBody


class CheckStepDocument(Document):
    """One step: what was found, and what to do next."""

    name: str = Field(description="Mail: dns, tcp, tls, ehlo, auth, size, in the order taken.")
    ok: bool | None = Field(description="null: it was not needed, or not reached.")
    text: str
    fix: str | None
    duration_ms: int


class CheckDocument(Document):
    """All steps; `ok` is whether none failed."""

    steps: list[CheckStepDocument]
    ok: bool


@endpoint(
    "POST",
    "/systems/{name}/check",
    scope=Scope.OPERATE,
    tag="Systems",
    answers={200: CheckDocument},
    refusals=(404, 409),
)
def check_system(call: Call, name: str, body: SystemBody | None) -> CheckDocument:
    """Connect to a system step by step; nothing is sent.

    With a body: to the draft that it is, unsaved. A secret that the draft leaves out is the saved
    one; where the draft has other options than the saved system, that needs the scope admin.
    """
    steps = checking.check(call.site, name, body, may_lend=call.caller.may(Scope.ADMIN))
    shown = [CheckStepDocument(**vars(step)) for step in steps]
    return CheckDocument(steps=shown, ok=all(step.ok is not False for step in steps))
