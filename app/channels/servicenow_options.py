"""The form of a ServiceNow system: instance, login, mode, and what an incident is given."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from app.channels.fields import SecretText, field
from app.channels.http_options import HttpOptions
from app.channels.http_url import WebAddress, parsed
from app.channels.servicenow_token import Token
from app.shapes import Rule, Shape, fault, line_break, text, whole

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.IGNORECASE | re.ASCII)
_INCIDENT = {"mode": ["Incident"]}
_BASIC, _BEARER = {"authentication": ["Basic"]}, {"authentication": ["Bearer"]}
_LONGEST = 500
INCIDENT = "Incident"


def _address(typed: str) -> WebAddress:
    """Return the base of an instance, which is given by its name, its host or its URL."""
    if "://" not in typed:
        typed = f"https://{typed}.service-now.com" if _NAME.fullmatch(typed) else f"https://{typed}"
    address = parsed(typed)
    if address.query:
        raise fault("must end before the ?: give the address of the instance alone")
    return address


def _instance(value: Any) -> str:
    typed: str = text(_LONGEST, required=True, line=True).check(value).strip()
    _address(typed)
    return typed


def _user(value: Any) -> str:
    typed: str = text(255).check(value)
    if ":" in typed or line_break(typed):
        raise fault("must be one line without a colon, which no login by user name can have")
    return typed


Instance = Annotated[
    str, Rule(_instance, {"type": "string", "minLength": 1, "maxLength": _LONGEST})
]
User = Annotated[str, Rule(_user, {"type": "string", "maxLength": 255})]
Level = Annotated[int, whole(1, 3)]


def _level(what: str, severity: str, default: int) -> Any:
    title, told = f"{what} of {severity}", "1 high, 2 medium, 3 low."
    return field(title, told, default, shown_when=_INCIDENT, more=True)


class ServiceNowOptions(HttpOptions):
    """What is asked of a ServiceNow system, besides its secrets."""

    instance: Instance = field(
        "Instance", "Its name, as in dev12345, or its whole address with https://."
    )
    mode: Literal["Incident", "Event Management"] = field(
        "Mode",
        "Incident: each failure opens an incident. Event Management: events for its alerts.",
        "Incident",
    )
    authentication: Literal["Basic", "Bearer"] = field(
        "Authentication", "Basic: user and password. Bearer: a token of OAuth.", "Basic"
    )
    user: User | None = field(
        "User",
        "Needs the role itil for incidents, or evt_mgmt_integration for Event Management.",
        None,
        shown_when=_BASIC,
    )
    assignment_group: Annotated[str, text(100, line=True)] = field(
        "Assignment Group", "Who gets new incidents: its sys_id.", "", shown_when=_INCIDENT
    )
    close_code: Annotated[str, text(100, required=True, line=True)] = field(
        "Close Code",
        "The resolution code that resolved incidents get; one that the instance knows.",
        "Solution provided",
        shown_when=_INCIDENT,
        more=True,
    )
    urgency_critical: Level = _level("Urgency", "Critical", 1)
    urgency_error: Level = _level("Urgency", "Error", 2)
    urgency_warning: Level = _level("Urgency", "Warning", 3)
    urgency_info: Level = _level("Urgency", "Info", 3)
    impact_critical: Level = _level("Impact", "Critical", 1)
    impact_error: Level = _level("Impact", "Error", 2)
    impact_warning: Level = _level("Impact", "Warning", 3)
    impact_info: Level = _level("Impact", "Info", 3)

    @property
    def address(self) -> WebAddress:
        """The base of the instance."""
        return _address(self.instance)


class ServiceNowSecrets(Shape):
    """The secrets of a ServiceNow system."""

    password: SecretText | None = field(
        "Password", "The password of the user.", None, shown_when=_BASIC
    )
    token: Token | None = field(
        "Token", "The access token, without the word Bearer.", None, shown_when=_BEARER
    )
