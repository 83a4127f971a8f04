"""The secret of a Slack system: the URL of an incoming webhook."""

from __future__ import annotations

from typing import Annotated

from app.channels.fields import field
from app.channels.http_secret_url import secret_url
from app.secrets import Secret
from app.shapes import Shape

WebhookUrl = Annotated[Secret, secret_url()]


class SlackSecrets(Shape):
    """Whoever knows the URL can post to the channel."""

    webhook_url: WebhookUrl | None = field(
        "Webhook URL",
        "Of an incoming webhook, as in https://hooks.slack.com/services/… It belongs to one "
        "channel of Slack, and is not shown again.",
        None,
        needed=True,
    )
