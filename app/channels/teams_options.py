"""The secret of a Teams system: the URL of a workflow, whose signature is in its query."""

from __future__ import annotations

from typing import Annotated

from app.channels.fields import field
from app.channels.http_secret_url import secret_url
from app.channels.http_url import WebAddress
from app.secrets import Secret
from app.shapes import Shape, fault

_OUTLOOK = ("outlook.office.com", "outlook.office365.com")


def _refuse_connectors(address: WebAddress) -> None:
    """Refuse the URLs of Office 365 connectors; no other host is looked at."""
    retired = f".{address.host}".endswith(".webhook.office.com")
    if retired or (address.host in _OUTLOOK and address.path.lower().startswith("/webhook")):
        raise fault(
            "is that of an Office 365 connector, which Microsoft has retired: in Teams, open "
            "Workflows beside the channel, create one from the template 'Send webhook alerts to a "
            "channel', and give the URL that it shows"
        )


WorkflowUrl = Annotated[Secret, secret_url(_refuse_connectors)]


class TeamsSecrets(Shape):
    """Whoever knows the URL can start the workflow."""

    workflow_url: WorkflowUrl | None = field(
        "Workflow URL",
        "Of a workflow that starts when a Teams webhook request is received, from https:// to the "
        "end of its signature. It is not shown again.",
        None,
        needed=True,
    )
