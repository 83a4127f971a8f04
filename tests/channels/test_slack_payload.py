"""What Slack shows: the words of the mails, within its limits, and no markup but our own."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from app import clock
from app.channels.notice import RESOLVED, TEST, Notice
from app.channels.slack_payload import payload
from tests.channels.events import LINK, event, greatest, notice, random_notices
from tests.channels.hook_system import SLACK, post, sent
from tests.servers.doubles.slack import Slack, blocks_error, texts

HOSTILE = "<!channel> <@U012AB3CD> *bold* [x](https://evil.example) ```code``` :tada: &amp; 漢字😀"
LETTERS = 'x<&"\\`😀é\x00{\n\t\u202e'


def posted(message: Notice) -> Any:
    return json.loads(payload(message))


def shown(message: Notice) -> list[str]:
    """Return the texts as a reader sees them, the header first."""
    blocks = posted(message)["blocks"]
    return [unescaped(text) for block in blocks for text in texts(block)]


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_an_event_is_told_in_the_words_of_the_mails() -> None:
    told = event(severityReceived="critical", code="E17")

    assert shown(notice(told)) == [
        "🚨 [CRITICAL] Backups: Snapshot failed",
        "Source\nBackups",
        "Severity\ncritical, routed as error",
        "Status\nfiring",
        "Code\nE17",
        "Node\ndb-1",
        "Occurred\n3 Nov 2026, 10:31:00 UTC",
        "Received\n3 Nov 2026, 10:31:02 UTC",
        "Labels\nteam=core · zone=eu",
        "The snapshot of crm did not end.",
        f"<{LINK}|See the event in Tocsin>",
        "<https://grafana.example.com/d/1?a=b&c=d|Reported link (grafana.example.com)>",
    ]
    assert posted(notice(told))["text"] == "🚨 [CRITICAL] Backups: Snapshot failed"


@pytest.mark.parametrize(
    ("severity", "start"),
    [("info", "🔵 [INFO]"), ("warning", "🟡 [WARNING]"), ("error", "🔴 [ERROR]")],
)
def test_the_severity_is_told_by_word_and_by_emoji(severity: str, start: str) -> None:
    told = event(severity=severity, severityReceived=severity, source="rollingRestart")

    assert shown(notice(told))[0] == f"{start} Rolling Restart: Snapshot failed"
    assert f"Severity\n{severity}" in shown(notice(told))


def test_what_is_over_says_so_in_its_title() -> None:
    header = shown(notice(event(status="resolved"), type=RESOLVED))[0]

    assert header == "🟢 Resolved: Backups: Snapshot failed"


def test_a_test_says_that_nothing_has_failed() -> None:
    title = "Test of Chat: nothing has failed"
    told = event(title=title, description="A test that ann asked for.", link=None)

    assert shown(notice(told, type=TEST)) == [
        f"🔔 {title}",
        "A test that ann asked for.",
        f"<{LINK}|See the system in Tocsin>",
    ]


def test_what_an_event_does_not_have_is_left_out() -> None:
    bare = event(node=None, labels={}, description=" \n ", link=None, code=None)

    assert not re.search("Node|Labels|Code|Reported|None", str(shown(notice(bare))))


def test_of_several_events_the_worst_leads_and_the_newest_are_listed_first() -> None:
    events = [event(number, title=f"Event {number}", node=None) for number in range(1, 14)]
    events[4] = event(5, title="Disk full", severityReceived="critical")
    events[12] = event(13, title="Over", status="resolved")
    header, listed, link = shown(notice(*events))

    assert header == "🚨 [CRITICAL] Backups: Disk full and 12 more events"
    lines = listed.split("\n")
    assert lines[0].startswith("🟢 Resolved: Backups: Over · db-1 (3 Nov 2026, 10:31:00 UTC)")
    assert lines[1].startswith("🔴 [ERROR] Backups: Event 12 (")
    assert (len(lines), lines[-1]) == (11, "… 3 more events in Tocsin")
    assert link == f"<{LINK}|See the events in Tocsin>"


def test_a_title_that_is_too_long_for_the_header_is_whole_below_it() -> None:
    title = "The disk of the node is nearly full and " * 7
    header, whole, *_ = shown(notice(event(title=title)))

    assert header.endswith("…")
    assert len(header) <= 150
    assert whole == f"[ERROR] Backups: {title.strip()}"


@pytest.mark.parametrize("place", ["title", "description", "node", "code"])
def test_foreign_text_is_plain_text_and_never_markup(place: str) -> None:
    document = posted(notice(event(**{place: HOSTILE}, link=None)))
    kinds = {}
    for block in document["blocks"]:
        for text in (block.get("text"), *block.get("fields", ())):
            if text and "bold" in text["text"]:
                kinds[text["text"]] = (text["type"], text.get("emoji"))

    assert set(kinds.values()) == {("plain_text", False)}
    assert not re.search("[<>]", "".join(kinds) + document["text"])
    assert HOSTILE in unescaped("".join(kinds))


def test_a_trace_stands_in_a_code_block_that_it_cannot_end() -> None:
    trace = "Error: ``` `` ` ```` <!here> & *x*\n  at line 2\n" + "more\n" * 38
    code = next(one for one in shown(notice(event(trace=trace))) if one.startswith("```"))
    inner, after = code.removeprefix("```\n").split("\n```\n")

    assert "```" not in inner
    assert inner.replace("\u200b", "").startswith("Error: ``` `` ` ```` <!here> & *x*\n  at line 2")
    assert after == "… 28 more lines in Tocsin"


def test_a_trace_that_is_not_at_hand_is_said_to_be_in_tocsin() -> None:
    assert "The trace is in Tocsin." in shown(notice(event(hasTrace=True)))


def test_a_long_description_says_how_much_was_cut_and_the_link_stays() -> None:
    *_, text, link = shown(notice(event(description="x" * 20_000, link=None)))

    assert text == "x" * 2_000 + "\n… 18,000 more characters in Tocsin"
    assert LINK in link


def test_the_reporters_link_says_where_it_leads_and_cannot_leave_its_brackets() -> None:
    *_, link = shown(notice(event(link="https://e.example/>|<!channel>`x y*")))
    *_, odd = shown(notice(event(link="https://[::1/x")))
    *_, long = shown(notice(event(link="https://e.example/" + "&" * 1_900)))

    assert link == "<https://e.example/%3E%7C%3C!channel%3E%60x%20y*|Reported link (e.example)>"
    assert odd == "<https://[::1/x|Reported link>"
    assert long == "Reported link (e.example): its address is too long for Slack, see it in Tocsin."


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("events", [1, 40])
def test_the_greatest_event_of_any_letter_keeps_every_limit(letter: str, events: int) -> None:
    document = posted(notice(*[greatest(letter)] * events))

    assert blocks_error(document["blocks"], len(document["text"])) == ""
    assert LINK in str(document["blocks"])


def test_random_notifications_keep_every_limit_and_are_taken() -> None:
    messages = list(random_notices(100, seed=1))
    with Slack(paced=False) as slack:
        post(SLACK, slack.url, *messages)

    assert len(slack.messages) == len(messages)
    for message in slack.messages:
        assert not re.search("<[!@#]", json.dumps(message))
        assert "See the " in str(message["blocks"])


def test_a_trace_of_a_mebibyte_is_cut_and_quickly() -> None:
    trace = "\n".join(["  at com.example.Snapshot.run(Snapshot.java:17)"] * 22_000)
    before = clock.monotonic()
    told = shown(notice(event(trace=trace)))

    assert clock.monotonic() - before < 2
    assert "… 21,988 more lines in Tocsin" in str(told)


def test_letters_line_ends_and_nul_arrive_as_something_that_can_be_read() -> None:
    told = event(title="Größe 漢字 😀 \x00 end", description="one\r\ntwo\x00\x1bthree\u202efour")
    (header, *_, text, _, _) = [
        unescaped(one)
        for block in sent(SLACK, notice(told)).document["blocks"]
        for one in texts(block)
    ]

    assert header == "🔴 [ERROR] Backups: Größe 漢字 😀 ␀ end"
    assert text == "one\ntwo␀␛three[U+202E]four"


def test_a_document_that_lacks_everything_is_told_all_the_same() -> None:
    header, *rest = shown(notice(event(), link=""))
    bare = notice(event(**dict.fromkeys(json.loads(event().document))))

    assert header
    assert blocks_error(posted(bare)["blocks"]) == ""
    assert "See the event" not in str(rest)
