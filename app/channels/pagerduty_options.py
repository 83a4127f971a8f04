"""The form of a PagerDuty system: integration key, region or own URL (channels.md, PagerDuty)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from app.channels.fields import field
from app.channels.http_options import HttpOptions
from app.channels.http_url import Url, WebAddress, parsed
from app.secrets import Secret
from app.shapes import Rule, Shape, fault, text

KEY_LENGTH = 32
_HOSTS = {"US": "events.pagerduty.com", "EU": "events.eu.pagerduty.com"}
_KEY = re.compile(r"[!-~]*", re.ASCII)


def _routing_key(value: Any) -> Secret:
    """Return an integration key; an empty one clears it."""
    given = value.reveal() if isinstance(value, Secret) else value
    typed = text(1_000).check(given).strip()
    if typed and (len(typed) != KEY_LENGTH or not _KEY.fullmatch(typed)):
        raise fault(f"must have {KEY_LENGTH} characters: the Integration Key, not an API key")
    return Secret(typed)


RoutingKey = Annotated[
    Secret,
    Rule(
        _routing_key,
        {"type": "string", "format": "password", "writeOnly": True, "maxLength": KEY_LENGTH},
    ),
]


class PagerDutyOptions(HttpOptions):
    """What is asked of a PagerDuty system, besides its secret."""

    region: Literal["US", "EU"] = field(
        "Region", "Where the account is: EU if its pages are at eu.pagerduty.com.", "US"
    )
    url: Url | None = field(
        "URL",
        "In place of the region's: a gateway of your own, with its whole path. Empty: none.",
        None,
        more=True,
    )

    @property
    def address(self) -> WebAddress:
        """Where events are posted."""
        return parsed(self.url or f"https://{_HOSTS[self.region]}/v2/enqueue")


class PagerDutySecrets(Shape):
    """The secret of a PagerDuty system."""

    routing_key: RoutingKey | None = field(
        "Integration Key",
        "In PagerDuty: the service, Integrations, Events API v2. It has 32 characters.",
        None,
        needed=True,
    )
