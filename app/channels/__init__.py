"""The channels by kind; whoever starts a process says once which addresses they may reach."""

from __future__ import annotations

from app.channels.base import Channel
from app.channels.pagerduty import PagerDutyChannel
from app.channels.policy import AddressPolicy
from app.channels.servicenow import ServiceNowChannel
from app.channels.slack import SlackChannel
from app.channels.smtp import SmtpChannel
from app.channels.teams import TeamsChannel
from app.channels.webhook import WebhookChannel

CHANNELS: dict[str, Channel] = {}


def configure(policy: AddressPolicy) -> None:
    """Make every channel anew, guarded by `policy`; called by the factory of the application."""
    made: list[Channel] = [
        SmtpChannel(policy),
        PagerDutyChannel(policy),
        ServiceNowChannel(policy),
        SlackChannel(policy),
        TeamsChannel(policy),
        WebhookChannel(policy),
    ]
    CHANNELS.update({one.kind: one for one in made})


def channel(kind: str) -> Channel:
    """Return the channel of a system's kind; raises KeyError for a kind that there is not."""
    return CHANNELS[kind]


configure(AddressPolicy())
