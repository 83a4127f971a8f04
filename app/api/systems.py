"""Systems: what notifications go out through."""

from __future__ import annotations

from app.api.endpoints import Call, endpoint
from app.api.resources import resource
from app.services import rotation
from app.services.api_keys import Scope
from app.services.documents import Document
from app.services.systems import SYSTEMS

resource(SYSTEMS, tag="Systems", scope=Scope.ADMIN)


class Rotated(Document):
    """The new signing secret: no other answer shows it."""

    signing_secret: str


@endpoint(
    "POST",
    "/systems/{name}/rotate-secret",
    scope=Scope.ADMIN,
    tag="Systems",
    answers={200: Rotated},
    refusals=(404, 409, 412),
)
def rotate_system_secret(call: Call, name: str) -> Rotated:
    """Give a webhook system a new signing secret, which is shown once.

    The secret before signs as well, until `previousSigningSecret` is set to null.
    """
    made = rotation.rotate(call.site, name, call.caller.actor, call.condition)
    return Rotated(signing_secret=made.reveal())
