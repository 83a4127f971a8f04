"""The mail about a routed event: how bad, where, and what was reported."""

from __future__ import annotations

import re

import pytest

from app.domain.event_kinds import EventStatus, Received, Severity, Source
from app.rendering.event_mail import MOST_LABELS, event_subject
from app.rendering.failures import TRACE_LINES
from app.rendering.mail import Attachment, EventMail, render
from app.rendering.subject import LONGEST
from tests.rendering.samples import HOSTILE, NOW, TRACE, Opened, another, batch, over, routed

BAD, GOOD, PLAIN = "#d63939", "#2fb344", "#066fd1"


def both(mail: EventMail) -> tuple[str, str]:
    """Return the text and the words of the HTML, each with its lines joined."""
    opened = Opened(mail)
    return " ".join(opened.text.split()), " ".join(opened.page.words.split())


@pytest.mark.parametrize(
    ("mail", "told"),
    [
        (routed(), "[ERROR] Metrics: The disk is full · db-7"),
        (routed(received=Received.CRITICAL), "[CRITICAL] Metrics: The disk is full · db-7"),
        (
            routed(severity=Severity.WARNING, received=Received.WARNING, node=None),
            "[WARNING] Metrics: The disk is full",
        ),
        (
            routed(severity=Severity.INFO, received=Received.INFO, source=Source.ROLLING_RESTART),
            "[INFO] Rolling Restart: The disk is full · db-7",
        ),
        (over(), "Resolved: Metrics: The disk is full · db-7"),
        (over(received=Received.CRITICAL), "Resolved: Metrics: The disk is full · db-7"),
        (
            routed(resolved_at=NOW),
            "[ERROR] Metrics: The disk is full (resolved since) · db-7",
        ),
        (routed(title="db-7 has no disk left"), "[ERROR] Metrics: db-7 has no disk left"),
        (routed(node="n" * 60), f"[ERROR] Metrics: The disk is full · {'n' * 39}…"),
    ],
)
def test_the_subject_says_how_bad_where_from_and_what(mail: EventMail, told: str) -> None:
    assert render(mail).subject == told


@pytest.mark.parametrize("length", range(80, 300, 7))
def test_the_node_stands_in_the_subject_only_beside_the_whole_title(length: int) -> None:
    mail = routed(title="t" * length)
    told = event_subject(mail)
    assert len(told) <= LONGEST
    assert told.endswith(" · db-7") == (len(f"[ERROR] Metrics: {mail.title} · db-7") <= LONGEST)


@pytest.mark.parametrize(
    ("mail", "colour"),
    [
        (routed(), BAD),
        (routed(severity=Severity.WARNING), BAD),
        (routed(severity=Severity.INFO), PLAIN),
        *((over(severity=severity), GOOD) for severity in Severity),
    ],
)
def test_the_colour_says_how_bad_it_is_and_that_it_is_over(mail: EventMail, colour: str) -> None:
    found = re.search("border-top:4px solid (#[0-9a-f]{6})", Opened(mail).html)
    assert found
    assert found[1] == colour


def test_an_opening_that_came_late_says_that_it_is_over() -> None:
    mail = routed(resolved_at=NOW)
    assert f"border-top:4px solid {GOOD}" in Opened(mail).html
    for told in both(mail):
        assert "Resolved since 3 Nov 2026, 10:46 UTC." in told


def test_that_it_is_over_is_also_said_in_words() -> None:
    assert Opened(over()).text.startswith("Resolved: The disk is full\n")
    assert Opened(routed()).text.startswith("The disk is full\n")
    for told in both(over()):
        assert re.search("Status:? resolved", told)


def test_an_event_is_told_with_all_that_was_reported_and_why_it_comes() -> None:
    for told in both(routed()):
        assert "98 % of /var are used. Writes fail from 100 % on." in told
        assert re.search("Source:? Metrics", told)
        assert re.search("Severity:? error ", told)
        assert re.search("Status:? firing", told)
        assert re.search("Node:? db-7", told)
        assert re.search("Occurred:? 3 Nov 2026, 10:45:05 UTC", told)
        assert re.search("Received:? 3 Nov 2026, 10:46:02 UTC", told)
        assert re.search("Labels:? env=prod · region=eu ", told)
        assert re.search("Link:? https://grafana.example.org/d/disk", told)
        assert re.search("Why this mail:? The cell Metrics / error names it.", told)


def test_what_was_not_reported_is_not_named() -> None:
    bare = routed(node=None, labels={}, reported_link=None, description=None)
    for told in both(bare):
        assert not re.search("Node|Labels|Link|None|Trace", told)


def test_a_critical_event_says_as_what_it_was_routed() -> None:
    for told in both(routed(received=Received.CRITICAL)):
        assert re.search("Severity:? critical, routed as error", told)


def test_the_link_of_the_reporter_is_text_and_no_link_of_ours() -> None:
    mail = routed(reported_link="https://evil.example.net/")
    assert Opened(mail).page.values("href") == [mail.link, mail.settings_link]


def test_the_first_labels_are_shown_and_the_others_counted() -> None:
    labels = {f"label{number:02}": f"value{number:02}" for number in range(50)}
    for told in both(routed(labels=labels)):
        assert len(re.findall(r"label\d\d=value\d\d", told)) == MOST_LABELS
        assert "label19=value19 · 30 more labels in Tocsin" in told


def test_a_long_label_is_cut_and_says_so() -> None:
    for told in both(routed(labels={"k" * 100: "v" * 1_000})):
        assert f"{'k' * 100}={'v' * 99}…" in told


def test_a_long_description_is_shortened_and_says_by_how_much() -> None:
    opened = Opened(routed(description="d" * 20_000))
    for told in (opened.text, opened.page.words):
        assert re.findall("d{300,}", told) == ["d" * 4_000]
        assert "… 16,000 more characters in Tocsin" in told


def test_a_description_of_many_lines_is_shortened_too() -> None:
    lines = Opened(routed(description="of many\n" * 2_000)).text.splitlines()
    assert lines.count("  of many") == 60
    assert [line for line in lines if "more characters in Tocsin" in line]


def test_a_description_keeps_its_paragraphs_and_cannot_pass_for_our_words() -> None:
    said = "One.\n\nSee the event in Tocsin:\nhttps://evil.example.net\n-- \nbye"
    lines = Opened(routed(description=said)).text.split("\n")
    at = lines.index("  One.")
    assert lines[at : at + 3] == ["  One.", "  ", "  See the event in Tocsin:"]
    assert "https://evil.example.net" not in lines
    assert lines.count("-- ") == 1


# The trace.


def test_the_head_of_the_trace_is_shown_and_the_other_lines_counted() -> None:
    opened = Opened(routed(trace=TRACE, trace_lines=352))
    for told in (opened.text, opened.page.words):
        assert "TraceError: refused" in told
        assert f"Step{TRACE_LINES - 2})" in told
        assert f"Step{TRACE_LINES - 1})" not in told
        assert "… 340 more lines in Tocsin" in told


def test_a_trace_that_cannot_be_read_is_named_with_its_length() -> None:
    for told in both(routed(trace=None, trace_lines=352)):
        assert "The trace (352 lines) is in Tocsin." in told


def test_nothing_is_attached_whatever_is_given() -> None:
    mail = routed(trace=TRACE, trace_lines=352)
    assert render(mail, (Attachment("traces.pdf", b"%PDF-1.7"),)) == render(mail)
    assert "attached" not in Opened(mail).seen


# A batch that is sent again by mail.


def test_a_batch_leads_with_its_first_event_and_counts_the_others() -> None:
    mail = batch(another(1), another(2))
    assert render(mail).subject == "[ERROR] Metrics: The disk is full and 2 more events"
    assert "See the events in Tocsin" in Opened(mail).text
    long = batch(*map(another, range(9)), total=1_347, title="t" * 300)
    assert render(long).subject.endswith("… and 1,346 more events")
    assert len(render(long).subject) <= LONGEST


def test_the_other_events_are_listed_and_those_beyond_the_list_counted_with_a_link() -> None:
    others = (another(1, node="n1"), another(2, status=EventStatus.RESOLVED))
    mail = batch(*others, total=500)
    opened = Opened(mail)
    for told in both(mail):
        assert "2 more events in this mail" in told
        assert "[WARNING] Nodes: Event 1 · n1 3 Nov 2026, 08:32:05 UTC" in told
        assert "Resolved: Nodes: Event 2 3 Nov 2026, 08:32:05 UTC" in told
        assert "497 more events in Tocsin" in told
    assert opened.page.values("href").count(mail.link) == 2
    assert max(map(len, opened.text.splitlines())) <= 72


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["title", "node"])
def test_no_text_of_another_event_breaks_a_mail(field: str, text: str) -> None:
    opened = Opened(batch(another(1, **{field: text})))
    assert set(opened.page.elements) <= set(Opened(batch(another(1))).page.elements)
    assert len(opened.page.values("href")) == 2
    for told in (opened.text, opened.page.words):
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202d\u202e]", told)


# What cannot break it.


@pytest.mark.parametrize("text", HOSTILE)
def test_no_label_and_no_trace_breaks_a_mail(text: str) -> None:
    plain = Opened(routed(trace=TRACE, trace_lines=352))
    for mail in (
        routed(labels={text: text, "b": text}, trace=TRACE, trace_lines=352),
        routed(trace=text, trace_lines=9),
    ):
        opened = Opened(mail)
        assert set(opened.page.elements) <= set(plain.page.elements)
        assert "onerror" not in dict(opened.page.attributes)
        assert len(opened.page.values("href")) == 2
        for told in (opened.text, opened.page.words):
            assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202d\u202e]", told)


def test_our_own_prose_has_at_most_72_columns() -> None:
    mail = routed(
        title="The disk of a node with a rather long name is full " * 5,
        status=EventStatus.RESOLVED,
        received=Received.CRITICAL,
        labels={f"a label {number}": "and its value" for number in range(50)},
        why_text="The cell Rolling Restart / warning names it for every source. " * 3,
        notes=("Something that is to be known about this mail. " * 3,),
        trace="E\n  at x",
        trace_lines=2,
    )
    assert max(map(len, Opened(mail).text.splitlines())) <= 72


def test_an_event_of_which_only_the_title_is_known_is_told() -> None:
    mail = routed(node=None, labels={}, reported_link=None, description="  \n ")
    lines = Opened(mail).text.splitlines()
    assert lines[:3] == ["The disk is full", "", "Source: Metrics"]
