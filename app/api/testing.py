"""Testing: one mail by the values of a form, saved or not, through the queue."""

from __future__ import annotations

from app.api.endpoints import Call, endpoint
from app.services import trial
from app.services.api_keys import Scope
from app.services.documents import Document, IdText
from app.services.registration_shape import RegistrationBody
from app.services.systems import SystemBody


class TestQueued(Document):
    """The delivery of the test: its verdict, its recipients and the conversation stand there."""

    delivery: IdText


@endpoint(
    "POST",
    "/systems/{name}/test",
    scope=Scope.OPERATE,
    tag="Systems",
    answers={202: TestQueued},
    refusals=(404,),
)
def test_system(call: Call, name: str, body: SystemBody | None) -> TestQueued:
    """Send a test mail to the To Email-Id of a system.

    With a body: by the draft that it is, unsaved. A secret that the draft leaves out is the saved
    one; where the draft has other options than the saved system, that needs the scope admin.
    """
    may_lend = call.caller.may(Scope.ADMIN)
    actor = call.caller.actor
    return TestQueued(delivery=trial.of_system(call.site, name, actor, body, may_lend=may_lend))


@endpoint(
    "POST",
    "/registrations/{key}/test",
    scope=Scope.OPERATE,
    tag="Registrations",
    answers={202: TestQueued},
    refusals=(404,),
)
def test_registration(call: Call, key: str, body: RegistrationBody | None) -> TestQueued:
    """Send a test mail to the Recipient Mail of both directions, without CC.

    With a body: by the draft that it is, unsaved. One attempt: then delivered, or dead.
    """
    return TestQueued(delivery=trial.of_registration(call.site, key, call.caller.actor, body))
