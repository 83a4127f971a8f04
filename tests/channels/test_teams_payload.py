"""What Teams shows: the words of the mails in one card within its budget, and no Markdown."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from app import clock
from app.channels.notice import RESOLVED, TEST, Notice
from app.channels.teams_payload import BUDGET, payload
from tests.channels.events import LINK, event, greatest, notice, random_notices
from tests.channels.hook_system import TEAMS, post, sent
from tests.servers.doubles.teams import Teams, text

HOSTILE = "**bold** [x](https://evil.example) <at>all</at> # title\t{{DATE(2026-11-03T10:31:00Z)}}"
LETTERS = 'x<&"\\`😀é\x00{\n\t\u202e'


def card(message: Notice) -> Any:
    return json.loads(payload(message))["attachments"][0]["content"]


def shown(message: Notice) -> list[str]:
    """Return the lines as a reader sees them."""
    return list(text(card(message)["body"]))


def actions(message: Notice) -> dict[str, str]:
    return {one["title"]: one["url"] for one in card(message)["actions"]}


def test_the_message_has_the_documented_shape() -> None:
    document = json.loads(payload(notice()))
    (attached,) = document.pop("attachments")
    content = attached.pop("content")

    assert document == {"type": "message"}
    assert attached == {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
    }
    assert (content["type"], content["version"]) == ("AdaptiveCard", "1.4")
    assert content["msteams"] == {"width": "Full"}
    assert {one["type"] for one in content["actions"]} == {"Action.OpenUrl"}


def test_an_event_is_told_in_the_words_of_the_mails() -> None:
    told = notice(event(severityReceived="critical", trace="Error: x\n    at y"))

    assert shown(told) == [
        "🚨 [CRITICAL] Backups: Snapshot failed",
        "Source: Backups",
        "Severity: critical, routed as error",
        "Status: firing",
        "Node: db-1",
        "Occurred: 3 Nov 2026, 10:31:00 UTC",
        "Received: 3 Nov 2026, 10:31:02 UTC",
        "Labels: team=core · zone=eu",
        "The snapshot of crm did not end.",
        "Error: x",
        "\u00a0\u00a0\u00a0\u00a0at y",
    ]
    assert actions(told) == {
        "See the event in Tocsin": LINK,
        "Reported link (grafana.example.com)": "https://grafana.example.com/d/1?a=b&c=d",
    }


@pytest.mark.parametrize(
    ("changes", "style", "start"),
    [
        ({"severityReceived": "info"}, "accent", "🔵 [INFO] Backups"),
        ({"severityReceived": "warning"}, "warning", "🟡 [WARNING] Backups"),
        ({"severityReceived": "error"}, "attention", "🔴 [ERROR] Backups"),
        ({"severityReceived": "critical"}, "attention", "🚨 [CRITICAL] Backups"),
        ({"status": "resolved"}, "good", "🟢 Resolved: Backups"),
    ],
)
def test_word_emoji_and_colour_tell_the_severity_and_that_it_is_over(
    changes: dict[str, str], style: str, start: str
) -> None:
    told = notice(event(**changes), type=RESOLVED if style == "good" else "event.firing")

    assert card(told)["body"][0]["style"] == style
    assert shown(told)[0] == f"{start}: Snapshot failed"


def test_a_test_says_that_nothing_has_failed() -> None:
    title = "Test of Chat: nothing has failed"
    told = notice(event(title=title, description="A test.", link=None), type=TEST)

    assert shown(told) == [f"🔔 {title}", "A test."]
    assert actions(told) == {"See the system in Tocsin": LINK}


def test_of_several_events_the_worst_leads_and_the_newest_are_listed_first() -> None:
    events = [event(number, title=f"Event {number}") for number in range(1, 14)]
    headline, *lines = shown(notice(*events))

    assert headline == "🔴 [ERROR] Backups: Event 1 and 12 more events"
    assert lines[0] == "🔴 [ERROR] Backups: Event 13 · db-1 (3 Nov 2026, 10:31:00 UTC)"
    assert (len(lines), lines[-1]) == (11, "… 3 more events in Tocsin")


@pytest.mark.parametrize("place", ["title", "description", "node", "code"])
def test_foreign_text_stands_where_nothing_is_markdown(place: str) -> None:
    body = card(notice(event(**{place: HOSTILE})))["body"]

    assert "TextBlock" not in re.findall('"type": "([A-Za-z]+)"', json.dumps(body))
    assert "FactSet" not in json.dumps(body)
    assert "{{" not in json.dumps(body)
    assert "**bold** [x](https://evil.example) <at>all</at> # title" in str(list(text(body)))


def test_a_trace_stands_in_a_code_block_and_says_how_much_was_cut() -> None:
    trace = "Error: ``` *x*\n" + "  more\n" * 39
    body = card(notice(event(trace=trace, description=None)))["body"]
    *_, code, rest = body

    assert code["style"] == "emphasis"
    runs = [run for line in code["items"] for run in line["inlines"]]
    assert {run["fontType"] for run in runs} == {"Monospace"}
    assert (len(runs), runs[0]["text"]) == (12, "Error: ``` *x*")
    assert list(text([rest])) == ["… 28 more lines in Tocsin"]


def test_a_trace_that_is_not_at_hand_is_said_to_be_in_tocsin() -> None:
    assert "The trace is in Tocsin." in shown(notice(event(hasTrace=True)))


def test_a_long_description_says_how_much_was_cut_and_the_link_stays() -> None:
    told = notice(event(description="x" * 20_000))

    assert shown(told)[-2:] == ["x" * 4_000, "… 16,000 more characters in Tocsin"]
    assert LINK in actions(told).values()


def test_a_link_that_is_too_long_is_said_to_be_in_tocsin() -> None:
    told = notice(event(link="https://e.example/" + "ä" * 1_900))

    assert "Reported link (e.example): its address is too long for Teams" in str(shown(told))
    assert list(actions(told)) == ["See the event in Tocsin"]


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("events", [1, 40])
def test_the_greatest_event_of_any_letter_keeps_the_budget(letter: str, events: int) -> None:
    message = notice(*[greatest(letter)] * events)

    assert len(payload(message)) <= BUDGET == 20_000
    assert LINK in actions(message).values()


def test_random_notifications_keep_the_budget_and_are_shown() -> None:
    messages = list(random_notices(100, seed=2))
    with Teams(paced=False) as teams:
        post(TEAMS, teams.url, *messages)

    assert (len(teams.messages), teams.lost) == (len(messages), [])
    assert max(len(request.body) for request in teams.requests) <= BUDGET


def test_a_trace_of_a_mebibyte_is_cut_and_quickly() -> None:
    trace = "\n".join(["  at com.example.Snapshot.run(Snapshot.java:17)"] * 22_000)
    before = clock.monotonic()
    told = shown(notice(event(trace=trace)))

    assert clock.monotonic() - before < 2
    assert told[-1] == "… 21,988 more lines in Tocsin"


def test_letters_line_ends_and_nul_arrive_as_something_that_can_be_read() -> None:
    told = event(title="Größe 漢字 😀 \x00 end", description="one\r\ntwo\x00\x1bthree\u202efour")
    content = sent(TEAMS, notice(told)).document["attachments"][0]["content"]
    headline, *_, first, second = text(content["body"])

    assert headline == "🔴 [ERROR] Backups: Größe 漢字 😀 ␀ end"
    assert (first, second) == ("one", "two␀␛three[U+202E]four")


def test_a_document_that_lacks_everything_is_told_all_the_same() -> None:
    bare = notice(event(**dict.fromkeys(json.loads(event().document))), link="")

    assert shown(bare)
    assert actions(bare) == {}
