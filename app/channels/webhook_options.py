"""The form of a Webhook system: URL, attributes, batch notify, signing secret (channels.md)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from app.channels.fields import field
from app.channels.http_options import HttpOptions
from app.channels.http_url import Url
from app.channels.webhook_fields import SigningSecret
from app.shapes import Shape, fault, line_break, text, whole

MOST_ATTRIBUTES = 50
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset(
    "host content-length content-type transfer-encoding connection accept-encoding user-agent "
    "te trailer upgrade expect keep-alive "
    "webhook-id webhook-timestamp webhook-signature".split()
)


class Attribute(Shape):
    """Something that goes with every message; the variables in its value are replaced."""

    type: Literal["Header", "Query", "Body"]
    key: Annotated[str, text(200, required=True, line=True)]
    value: Annotated[str, text(2_000)] = Field("", validate_default=True)

    @field_validator("value")
    @classmethod
    def _is_sendable(cls, value: str, info: Any) -> str:
        if info.data.get("type") != "Header":
            return value
        name = str(info.data.get("key", ""))
        if not _TOKEN.fullmatch(name):
            raise fault(f"cannot go with the header {name!r}: a name has letters, digits and -")
        if name.lower() in _OURS:
            raise fault(f"cannot be given: the header {name} is set by Tocsin")
        if line_break(value) or not value.isascii():
            raise fault("of a header must be one line of ASCII")
        return value


class BatchNotify(Shape):
    """Several events in one message: so many, or after so many seconds, whichever is first."""

    size: Annotated[int, whole(1, 1_000)] = field("Batch Size", "Events in one message.")
    time_window: Annotated[int, whole(5, 3_600)] = field(
        "Time Window", "Seconds that the first of them waits for others.", 60
    )


class WebhookOptions(HttpOptions):
    """What is asked of a Webhook system, besides its secrets."""

    url: Url = field(
        "URL", "Where the messages are posted; https, or http in a network that is trusted."
    )
    attributes: Annotated[list[Attribute], Field(max_length=MOST_ATTRIBUTES)] = field(
        "Attributes",
        "Go with every message. In their values $eventId, $source, $severity, $integration and "
        "$subscriptionId are replaced.",
        [],
    )
    batch_notify: BatchNotify | None = field(
        "Batch Notify", "A variable in a Query attribute turns this off.", None, more=True
    )

    @field_validator("attributes")
    @classmethod
    def _names_headers_once(cls, value: list[Attribute]) -> list[Attribute]:
        names = [one.key.lower() for one in value if one.type == "Header"]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise fault(f"name the header {doubled[0]} more than once")
        return value


class WebhookSecrets(Shape):
    """The secrets of a Webhook system."""

    signing_secret: SigningSecret | None = field(
        "Signing Secret",
        "Signs every message by Standard Webhooks. Left out, one is made and shown once.",
        None,
    )
    previous_signing_secret: SigningSecret | None = field(
        "Previous Signing Secret",
        "Signs as well, until every receiver knows the new one.",
        None,
        more=True,
    )
