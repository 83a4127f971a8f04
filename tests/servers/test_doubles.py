"""The doubles refuse what the services refuse, keep what they accept, and do as they are told."""

from __future__ import annotations

import json
import re
import signal
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.channels import slack_payload, teams_payload
from tests.channels.events import notice
from tests.servers.doubles.double import Double
from tests.servers.doubles.slack import Slack
from tests.servers.doubles.teams import Teams

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack(paced=False) as made:
        yield made


@pytest.fixture
def teams() -> Iterator[Teams]:
    with Teams(paced=False) as made:
        yield made


def good(double: Double) -> Any:
    made = slack_payload if isinstance(double, Slack) else teams_payload
    return json.loads(made.payload(notice()))


def answered(url: str, message: Any) -> tuple[int, str]:
    said = requests.post(url, json=message, timeout=10, proxies={"http": ""})
    return said.status_code, said.text


def section(text: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def plain(number: int, kind: str = "plain_text") -> dict[str, str]:
    return {"type": kind, "text": "x" * number}


@pytest.mark.parametrize(
    ("message", "word"),
    [
        (["x"], "invalid_payload"),
        ({"blocks": []}, "no_text"),
        ({"text": ""}, "no_text"),
        ({"text": "x", "blocks": "x"}, "invalid_blocks_format"),
        ({"text": "x", "blocks": [section()] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "carousel"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "header", "text": plain(151)}]}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "header", "text": plain(1, "mrkdwn")}]},
            "invalid_blocks",
        ),
        ({"text": "x", "blocks": [section("")]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x" * 3_001)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section(fields=[plain(1)] * 11)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section(fields=[plain(2_001)])]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x" * 3_000)] * 4}, "msg_too_long"),
    ],
)
def test_slack_says_in_a_word_what_is_beyond_its_limits(
    slack: Slack, message: Any, word: str
) -> None:
    assert answered(slack.url, message) == (400, word)
    assert slack.messages == []


def test_slack_takes_what_is_within_its_limits(slack: Slack) -> None:
    message = {
        "text": "x",
        "blocks": [
            {"type": "header", "text": plain(150)},
            section("x" * 3_000),
            {"type": "section", "fields": [plain(700)] * 10},
            *[section()] * 47,
        ],
    }

    assert answered(slack.url, message) == (200, "ok")
    assert slack.messages == [message]


def test_slack_knows_no_other_url(slack: Slack) -> None:
    assert answered(slack.url[:-1], good(slack)) == (404, "no_service")


def card(change: Callable[[Any], Any]) -> Callable[[Any], None]:
    def changed(message: Any) -> None:
        change(message["attachments"][0]["content"])

    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.update(text="x"),
        lambda message: message.update(type="card"),
        lambda message: message["attachments"].append({}),
        lambda message: message["attachments"][0].update(contentUrl=""),
        lambda message: message["attachments"][0].update(contentType="application/json"),
        card(lambda content: content.update(version="1.6")),
        card(lambda content: content.pop("msteams")),
        card(lambda content: content.update(body=[])),
        card(lambda content: content["body"].append({"type": "CodeBlock"})),
        card(lambda content: content["actions"].append({"type": "Action.Submit", "title": "x"})),
        card(lambda content: content["actions"].append({})),
        card(lambda content: content["actions"][0].update(url="javascript:x")),
        card(lambda content: content["actions"][0].update(title="x" * 29_000)),
    ],
)
def test_teams_starts_the_flow_and_loses_what_is_no_card_that_it_shows(
    teams: Teams, change: Callable[[Any], None]
) -> None:
    message = good(teams)
    change(message)

    assert answered(teams.url, message) == (202, "")
    assert (teams.messages, len(teams.lost)) == ([], 1)


def test_teams_refuses_a_wrong_signature_a_wrong_path_and_what_is_no_message(teams: Teams) -> None:
    message = good(teams)
    urls = (teams.url[:-1], teams.url.replace("0double0", "1"), teams.url)
    said = [answered(url, [] if url == teams.url else message) for url in urls]

    assert [status for status, _ in said] == [401, 404, 400]
    assert all("code" in json.loads(text)["error"] for _, text in said)


@pytest.mark.parametrize("made", [Slack, Teams])
def test_a_double_answers_as_it_is_told_and_then_as_usual(made: type[Slack | Teams]) -> None:
    with made(paced=False) as double:
        double.answer_next(2, 503, b"later", retry_after="9")
        said = [
            requests.post(double.url, json=good(double), timeout=10, proxies={"http": ""})
            for _ in range(3)
        ]

    assert [one.status_code for one in said[:2]] == [503, 503]
    assert (said[0].text, said[0].headers["Retry-After"]) == ("later", "9")
    assert said[2].ok
    assert len(double.messages) == 1


@pytest.mark.parametrize(("made", "most"), [(Slack, 1), (Teams, 4)])
def test_a_double_keeps_its_pace_and_says_when_to_come_again(
    made: type[Slack | Teams], most: int
) -> None:
    with made() as double, requests.Session() as session:
        session.trust_env = False
        said = [session.post(double.url, json=good(double), timeout=10) for _ in range(most + 1)]

    assert [one.ok for one in said] == [True] * most + [False]
    assert (said[-1].status_code, said[-1].headers["Retry-After"]) == (429, "1")
    assert len(double.messages) == most


def test_make_doubles_says_what_to_type_and_then_tells_each_message() -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.servers.doubles"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = _until(process.stdout, "Ctrl-C")
            with Slack() as slack, Teams() as teams:
                messages = {"Slack": good(slack), "Microsoft Teams": good(teams)}
            event = {"type": "test", "events": [{"title": "Hook"}]}
            for title, message in {**messages, "Webhook": event}.items():
                url = re.search(f"^{title}, [A-Za-z ]*URL: (.*)$", told, re.MULTILINE)
                assert url, told
                assert answered(url[1], message)[0] in {200, 202}
                assert process.stdout.readline().startswith(f"{title}: ")
            for title in ("PagerDuty", "ServiceNow"):
                assert re.search(f"^{title}, (URL|Instance): http", told, re.MULTILINE), told
            port = re.search("SMTP Port: (.*)", told)
            assert port
            with smtplib.SMTP("127.0.0.1", int(port[1])) as smtp:
                smtp.sendmail("a@x.test", ["b@x.test"], b"Subject: Hello\r\n\r\nx\r\n")
            assert process.stdout.readline() == "SMTP Mail Client: Hello, to b@x.test\n"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def _until(lines: Iterator[str], last: str) -> str:
    told = ""
    for line in lines:
        told += line
        if last in line:
            return told
    raise AssertionError(told)
