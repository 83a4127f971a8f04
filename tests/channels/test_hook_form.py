"""The forms of Slack and Teams: a URL that is a secret, and what every HTTP kind asks."""

from __future__ import annotations

from typing import Any

import pytest

from app.channels import CHANNELS
from app.channels.http_hook import HookChannel
from app.channels.http_options import HttpOptions
from app.errors import Invalid
from app.secrets import Secret
from app.shapes import parse
from tests.channels.events import event, notice
from tests.channels.hook_system import SLACK, TEAMS

SLACK_URL = "https://hooks.slack.com/services/T012AB3CD/B012AB3CD/canarycanarycanary"
TEAMS_URL = (
    "https://prod-12.westeurope.logic.azure.com:443/workflows/0af1/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=canary-a%2Fb"
)
BOTH = [(SLACK, SLACK_URL), (TEAMS, TEAMS_URL)]


def given(channel: HookChannel, url: Any) -> Any:
    return parse(channel.secrets, {channel.url_name: url}, "/secrets")


def faults(channel: HookChannel, url: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        given(channel, url)
    assert "canary" not in str(caught.value)
    return [(fault.pointer, fault.message) for fault in caught.value.faults]


def test_both_kinds_are_registered_by_name_and_title() -> None:
    assert {name: CHANNELS[name].title for name in ("slack", "teams")} == {
        "slack": "Slack",
        "teams": "Microsoft Teams",
    }


@pytest.mark.parametrize(("channel", "url"), BOTH)
def test_a_url_is_kept_as_it_was_typed_and_never_shown(channel: HookChannel, url: str) -> None:
    secrets = given(channel, f" {url} ")

    assert [value.reveal() for _, value in secrets] == [url]
    assert "canary" not in f"{secrets!r} {secrets.model_dump()}"


@pytest.mark.parametrize(("channel", "url"), BOTH)
def test_a_url_is_write_only_in_the_schema(channel: HookChannel, url: str) -> None:
    (field,) = channel.secrets.model_json_schema()["properties"].values()
    (schema, _null) = field["anyOf"]

    assert (schema["format"], schema["writeOnly"]) == ("password", True)
    assert field["title"] == channel.url_title


@pytest.mark.parametrize(("channel", "url"), BOTH)
def test_the_url_is_required_and_an_empty_one_clears_it(channel: HookChannel, url: str) -> None:
    for secrets in ({}, {channel.url_name: Secret("")}):
        with pytest.raises(Invalid) as caught:
            channel.check(HttpOptions(), secrets)
        assert caught.value.faults[0].pointer == f"/secrets/{channel.url_name}"
    channel.check(HttpOptions(), {channel.url_name: Secret(url)})
    assert not dict(given(channel, "")).popitem()[1]


@pytest.mark.parametrize("channel", [SLACK, TEAMS])
@pytest.mark.parametrize(
    "url",
    [
        "hooks.slack.com/services/canary", "ftp://hooks.slack.com/canary", "https://",
        "https://u:canary@hooks.slack.com/", "https://hooks.slack.com/#canary",
        "https://hooks.slack.com/a canary", "https://hooks.slack.com/\r\ncanary: x",
        "https://hooks.slack.com/\x00canary", "https://x.example/" + "canary" * 400, 7,
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_posted_to_is_refused_without_being_repeated(
    channel: HookChannel, url: Any
) -> None:
    ((pointer, message),) = faults(channel, url)

    assert pointer == f"/secrets/{channel.url_name}"
    assert message


@pytest.mark.parametrize(
    "url",
    [
        "https://contoso.webhook.office.com/webhookb2/canary@1/IncomingWebhook/2/3",
        "https://CONTOSO.Webhook.Office.COM/webhookb2/canary",
        "https://webhook.office.com/canary",
        "https://outlook.office.com/webhook/canary@1/IncomingWebhook/2",
        "https://outlook.office365.com/Webhook/canary",
    ],
)
def test_a_retired_connector_is_refused_with_what_to_create_instead(url: str) -> None:
    ((pointer, message),) = faults(TEAMS, url)

    assert pointer == "/secrets/workflowUrl"
    assert "Microsoft has retired" in message
    assert "Send webhook alerts to a channel" in message


@pytest.mark.parametrize(
    "url",
    [
        TEAMS_URL,
        "https://default0af1.45.environment.api.powerplatform.com:443/powerautomate/automations/"
        "direct/workflows/1/triggers/manual/paths/invoke?api-version=1&sig=x",
        "https://flows.contoso.example/anything",
        "https://notwebhook.office.com/x",
        "https://webhook.office.com.example/x",
        "https://outlook.office.com/other",
        "https://x.example/?sig=" + "x" * 1_977,
    ],
)
def test_no_other_host_is_looked_at_and_any_length_up_to_2_000_is_taken(url: str) -> None:
    assert given(TEAMS, url).workflow_url.reveal() == url


@pytest.mark.parametrize(("channel", "url"), BOTH)
def test_only_the_host_may_be_shown(channel: HookChannel, url: str) -> None:
    shown = channel.shown({channel.url_name: Secret(url)})

    assert shown in {"hooks.slack.com", "prod-12.westeurope.logic.azure.com"}
    assert channel.shown({channel.url_name: Secret("http://127.0.0.1:81/x")}) == "127.0.0.1:81"


@pytest.mark.parametrize("channel", [SLACK, TEAMS])
def test_a_request_is_described_in_one_line_without_its_url(channel: HookChannel) -> None:
    told = channel.describe(HttpOptions(), notice(event(1), event(2)))

    assert told == (
        f"POST to the {channel.url_title} of {channel.title}, 2 events, notification msg_1_a"
    )


def test_the_least_that_is_typed_gets_the_options_of_every_http_kind() -> None:
    chosen = parse(HttpOptions, {})

    assert chosen.model_dump(by_alias=True) == {
        "timeout": 30.0,
        "verifyTls": True,
        "caPem": None,
        "proxy": None,
    }
