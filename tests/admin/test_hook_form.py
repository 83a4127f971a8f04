"""The forms of Slack and Teams in the browser: their URL goes in, and never comes out."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from app.services import configuring
from app.services.installation import Installation
from app.services.systems import SYSTEMS
from tests.admin.person import Person, words

URLS = {
    "slack": ("webhookUrl", "https://hooks.slack.com/services/T0/B0/canary"),
    "teams": ("workflowUrl", "https://flows.example/workflows/1?sig=canary"),
}


def made(admin: Person, kind: str, url: str) -> TestResponse:
    """Send the form of a new system; returns the page that comes back."""
    name = URLS[kind][0]
    form = {"kind": kind, "name": "Chat", f"secrets__{name}": url}
    return admin.post("/systems/new", **form)


@pytest.mark.parametrize("kind", URLS)
def test_the_url_is_saved_and_stands_in_no_page_and_no_answer(
    site: Installation, admin: Person, kind: str
) -> None:
    name, url = URLS[kind]
    shown = made(admin, kind, url).text

    assert name in configuring.get(SYSTEMS, site, "Chat").document["secrets"]
    for path in ("/systems/Chat", "/systems/-/history/Chat", "/audit-log/", "/systems/"):
        shown += admin.get(path).text
    assert "canary" not in shown


@pytest.mark.parametrize("kind", URLS)
def test_without_its_url_no_system_is_made(admin: Person, kind: str) -> None:
    assert "is required" in words(made(admin, kind, ""))


def test_the_url_of_a_connector_is_refused_with_what_to_create_instead(admin: Person) -> None:
    page = words(made(admin, "teams", "https://contoso.webhook.office.com/webhookb2/canary"))

    assert "Send webhook alerts to a channel" in page
    assert "canary" not in page
