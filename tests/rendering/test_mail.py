"""The mail about failures: what it says, what it keeps to itself, and what cannot break it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from random import Random

import pytest

from app.domain.kinds import Direction
from app.rendering.failures import TRACE_LINES
from app.rendering.mime import Attachment
from app.rendering.told import FailureLine, FailureMail
from app.words import clean
from tests.rendering.samples import HOSTILE, NOW, TRACE, Opened, bug, digest, failing, line

PDF = (Attachment("traces.pdf", b"%PDF-1.7"),)
BAD, GOOD = "border-top:4px solid #d63939", "border-top:4px solid #2fb344"
FIELDS = ["message", "error_code", "entity_type", "entity_id", "project", "trace"]
NAMES = ["integration", "system1", "system2", "prefix", "why_text", "delivery_id"]


@pytest.mark.parametrize("part", ["text", "words"])
def test_text_and_html_tell_what_failed_since_when_how_often_why_and_where_to_look(
    part: str,
) -> None:
    opened = Opened(failing())
    told = opened.text if part == "text" else opened.page.words
    for fact in (
        "Jira → ServiceNow failing",
        "AUTH_401",
        "Login refused",
        "3 Nov 2026, 08:32 UTC (2 hours 14 minutes)",
        "3 failures",
        "Logged 7 times in all",
        "First 3 Nov 2026, 08:32:05 UTC",
        "Last 3 Nov 2026, 10:45:05 UTC",
        "Orders EU, forward direction",
        "The global failure count reached 3.",
        "See the failure in Tocsin",
        "Change or stop these mails",
    ):
        assert fact in told, fact


def test_text_and_html_link_to_the_failure_and_to_the_settings_and_nowhere_else() -> None:
    opened, mail = Opened(failing()), failing()
    assert opened.page.values("href") == [mail.link, mail.settings_link]
    for link in (mail.link, mail.settings_link, mail.public_url):
        assert re.search(rf"(^|\s){re.escape(link)}$", opened.text, re.MULTILINE)


def test_an_entity_is_told_with_its_project_retries_and_access() -> None:
    opened = Opened(digest(bug(7, accessible=False, count=1)))
    for fact in ("Bug WEB-7 failed to synchronise", "Project WEB", "Retried 3 of 3"):
        assert fact in opened.text
        assert fact in opened.page.words
    assert "Not accessible" in opened.text
    assert "Not accessible" not in Opened(digest(bug(7))).seen


def test_a_failure_logged_once_is_told_with_its_one_time() -> None:
    opened = Opened(failing(failures=(line(count=1),)))
    assert "Logged 3 Nov 2026, 10:45:05 UTC" in opened.text
    assert "Last " not in opened.seen


def test_the_backward_direction_is_told_from_system_2_to_system_1() -> None:
    opened = Opened(failing(direction=Direction.BACKWARD))
    assert "ServiceNow → Jira failing" in opened.text
    assert "backward direction" in opened.page.words


def test_a_mail_sent_after_the_recovery_says_since_when_it_works_again() -> None:
    opened = Opened(failing(recovered_at=NOW - timedelta(minutes=4)))
    assert "works again" in opened.rendered.subject
    assert "Works again since 3 Nov 2026, 10:42 UTC." in opened.text
    assert "Works again since 3 Nov 2026, 10:42 UTC." in opened.page.words
    assert "Failing since" not in opened.seen
    assert "(2 hours 10 minutes)" in opened.text


@pytest.mark.parametrize(
    ("failures", "listed"),
    [((bug(1),), "this entity is"), ((bug(1), bug(2)), "these entities are")],
)
def test_a_job_that_works_again_does_not_make_its_entities_well(
    failures: tuple[FailureLine, ...], listed: str
) -> None:
    opened = Opened(digest(*failures, recovered_at=NOW - timedelta(minutes=4)))
    assert "works again" not in opened.rendered.subject
    for told in (opened.text, opened.page.words):
        assert "Works again since 3 Nov 2026, 10:42 UTC." in told
        assert f"No report has said yet that {listed} synchronised." in told
    assert BAD in opened.html
    assert GOOD not in opened.html


def test_the_colour_of_a_mail_says_whether_it_fails_still() -> None:
    assert BAD in Opened(failing()).html
    assert GOOD in Opened(failing(recovered_at=NOW)).html


def test_an_empty_note_is_no_note() -> None:
    assert Opened(failing(notes=("", " "))).body == Opened(failing()).body


def test_notes_stand_in_both_parts() -> None:
    opened = Opened(failing(notes=("The PDF could not be made.",)))
    assert "The PDF could not be made." in opened.text
    assert "The PDF could not be made." in opened.page.words


def test_each_failure_of_a_digest_has_its_own_block_in_order() -> None:
    opened = Opened(digest(*(bug(number) for number in range(30))))
    for told in (opened.text, opened.page.words):
        found = re.findall(r"^(?:\d+\. )?Bug (WEB-\d+)(?: · .*)?$", told, re.MULTILINE)
        assert found == [f"WEB-{number}" for number in range(30)]


def test_failures_beyond_the_list_are_counted_with_a_link() -> None:
    mail = digest(*(bug(number) for number in range(200)), total=1_347)
    opened = Opened(mail)
    assert f"1,147 more failures in Tocsin:\n{mail.link}" in opened.text
    assert "1,147 more failures in Tocsin" in opened.page.words
    assert opened.page.values("href").count(mail.link) == 2


def test_our_own_prose_has_at_most_72_columns() -> None:
    mail = failing(
        integration="a rather long name of an integration " * 3,
        why_text="The global failure count of this direction reached what was asked for. " * 2,
        notes=("The PDF could not be made, since the server took too long to make it. " * 2,),
        include_trace=False,
        failures=(line(project="WEB", retry_count=2, max_retry_count=3),),
    )
    assert max(map(len, Opened(mail).text.splitlines())) <= 72


# The trace.


def test_the_first_twelve_lines_of_a_trace_are_shown_and_the_others_counted() -> None:
    opened = Opened(failing())
    for told in (opened.text, opened.page.words):
        assert "TraceError: refused" in told
        assert f"Step{TRACE_LINES - 2})" in told
        assert f"Step{TRACE_LINES - 1})" not in told
        assert "… 340 more lines in Tocsin" in told


def test_a_short_trace_is_shown_whole_without_a_word_about_more() -> None:
    opened = Opened(failing(failures=(line(trace="E\n  at x\n", trace_lines=2),)))
    assert "    E\n      at x\n" in opened.text
    assert "more line" not in opened.seen


def test_lines_of_a_trace_are_cut_at_200_characters_and_say_so() -> None:
    opened = Opened(failing(failures=(line(trace="t" * 500 + "\nnext", trace_lines=2),)))
    for told in (opened.text, opened.page.words):
        assert re.findall("t{150,}…?", told) == ["t" * 200 + "…"]
        assert "next" in told


@pytest.mark.parametrize(
    "mail",
    [
        failing(include_trace=False),
        failing(include_trace=False, failures=(line(), line()), total=400),
        digest(bug(1), bug(2), include_trace=False),
        digest(bug(1), include_trace=False, recovered_at=NOW, notes=("a note",)),
    ],
)
def test_without_include_trace_not_one_line_of_a_trace_is_in_the_mail(mail: FailureMail) -> None:
    opened = Opened(mail)
    everything = "\n".join((opened.seen, opened.html, opened.body.decode()))
    assert not [part for part in TRACE.split("\n") if part.strip() in everything]
    assert "trace" not in everything.lower()


def test_a_trace_that_was_not_loaded_is_named_with_its_length() -> None:
    opened = Opened(failing(failures=(line(trace=None),)))
    assert "The trace (352 lines) is in Tocsin." in opened.text
    assert "The trace (352 lines) is in Tocsin." in opened.page.words


LETTERS = "abcdefghij {}()<>&\"'.:/\\\tÄéß日本語👩\u202e\x00\x1b"


def trace_of(chance: Random) -> str:
    """Return a trace of made-up lines, with line ends of every kind."""
    lines = ["".join(chance.choices(LETTERS, k=chance.randint(0, 120))) for _ in range(20)]
    return "".join(one + chance.choice(["\n", "\r\n", "\r", "\u2028"]) for one in lines)


def unspaced(text: str) -> str:
    """Return `text` without the spaces and breaks that a program may add."""
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("seed", range(40))
def test_no_line_of_any_trace_is_told_unless_the_trace_is_included(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - the same traces in every run
    trace = trace_of(chance)
    said = chance.choice(trace.splitlines())  # a line that the message says is no secret
    kept = [unspaced(one) for one in trace.splitlines()]
    kept = [one for one in kept if len(one) >= 4 and one not in unspaced(said)]
    failure = line(trace=trace, trace_lines=len(trace.splitlines()), message=said)
    asked = chance.choice(["failing", "digest", "again"])
    mail = {
        "failing": failing(failures=(failure,)),
        "digest": digest(failure, failure),
        "again": failing(failures=(failure,), recovered_at=NOW, notes=("a note",)),
    }[asked]
    attached = (Attachment("traces.pdf", trace.encode()),)

    without = Opened(replace(mail, include_trace=False), attached)
    everything = unspaced("\n".join((without.seen, without.html, unescape(without.html))))
    assert [one for one in kept if one in everything] == []
    # Nothing at all depends on the trace: neither what is said, nor how much of it.
    bare = replace(failure, trace=None, trace_lines=0)
    blank = replace(mail, include_trace=False, failures=(bare,) * len(mail.failures))
    assert without.body == Opened(blank).body
    # What is looked for would be found.
    shown = unspaced(Opened(mail).text)
    assert any(unspaced(clean(one)) in shown for one in trace.splitlines()[:6] if len(one) > 4)


@pytest.mark.parametrize(
    ("mail", "told"),
    [
        (failing(), "The error trace is attached as a PDF."),
        (failing(failures=(line(trace=None),)), "The error trace is attached as a PDF."),
        (digest(bug(1), bug(2)), "The error traces are attached as a PDF."),
        (digest(*map(bug, range(9)), total=900), "The error traces are attached as a PDF."),
    ],
)
def test_a_mail_with_the_traces_attached_says_so_once_in_each_part(
    mail: FailureMail, told: str
) -> None:
    opened = Opened(mail, PDF)
    assert opened.text.count(told) == 1
    assert opened.page.words.count(told) == 1
    assert len(list(opened.message.iter_attachments())) == 1
    assert "attached" not in Opened(mail).seen


def test_the_attached_trace_is_named_below_its_head_or_above_a_list() -> None:
    for part in ("text", "words"):

        def told(mail: FailureMail, part: str = part) -> str:
            opened = Opened(mail, PDF)
            return opened.text if part == "text" else opened.page.words

        one, several = told(failing()), told(digest(bug(1), bug(2)))
        assert one.index("TraceError") < one.index("attached") < one.index("Change or stop")
        assert several.index("See both") < several.index("attached") < several.rindex("Bug WEB-1")


def test_nothing_is_attached_to_a_mail_that_includes_no_trace() -> None:
    opened = Opened(failing(include_trace=False), PDF)
    assert opened.body == Opened(failing(include_trace=False)).body


# What cannot break it.


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", FIELDS)
def test_no_text_of_a_failure_breaks_a_mail(field: str, text: str) -> None:
    elements = set(Opened(failing()).page.elements)
    for mail in (failing(failures=(line(**{field: text}),)), digest(bug(1, **{field: text}))):
        opened = Opened(mail)
        assert set(opened.page.elements) <= elements
        assert "onerror" not in dict(opened.page.attributes)
        assert len(opened.page.values("href")) == 2
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202d\u202e]", opened.text)
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202d\u202e]", opened.page.words)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", NAMES)
def test_no_name_breaks_a_mail(field: str, text: str) -> None:
    opened = Opened(failing(**{field: text}, notes=(text,)))
    assert set(opened.page.elements) <= set(Opened(failing()).page.elements)
    assert len(opened.page.values("href")) == 2


@pytest.mark.parametrize("markup", HOSTILE[:3])
def test_markup_and_template_marks_are_shown_as_typed(markup: str) -> None:
    opened = Opened(failing(failures=(line(message=markup),)))
    assert markup.strip() in opened.text
    assert markup.strip() in opened.page.words


@pytest.mark.parametrize("message", ["x" * 4_000, "ab " * 1_333, "日" * 4_000])
def test_a_message_of_4000_characters_is_shown_whole(message: str) -> None:
    opened = Opened(failing(failures=(line(message=message),)))
    assert message.strip() in opened.text
    assert message.strip() in opened.page.words


def test_a_message_in_a_long_digest_is_shortened_and_says_by_how_much() -> None:
    failures = (bug(0, message="m" * 1_000), *(bug(number) for number in range(1, 12)))
    opened = Opened(digest(*failures))
    for told in (opened.text, opened.page.words):
        assert "m" * 300 in told
        assert "m" * 301 not in told
        assert "… 700 more characters in Tocsin" in told


def test_a_message_cannot_pass_for_the_words_of_tocsin() -> None:
    message = "x\n\nSee the failure in Tocsin:\nhttps://evil.example.net\n-- \nbye"
    lines = Opened(failing(failures=(line(message=message),))).text.split("\n")
    assert "  https://evil.example.net" in lines
    assert "https://evil.example.net" not in lines
    assert lines.count("-- ") == 1


def test_foreign_text_is_isolated_from_the_direction_of_ours() -> None:
    mail = failing(failures=(line(message="\u202bمرحبا"),), why_text="سبب")
    html = unescape(Opened(mail).html)
    assert re.search("<bdi>[^<]*مرحبا</bdi>", html)
    assert "<bdi>سبب</bdi>" in html


def test_a_failure_without_code_message_or_entity_is_still_told() -> None:
    empty = line(error_code=None, message="")
    opened = Opened(failing(failures=(empty, empty), total=2))
    assert opened.text.count("No message was given.") == 2
    assert "1. No error code" in opened.text


# The HTML as mail programs need it.


def test_the_html_loads_nothing_and_runs_nothing() -> None:
    opened = Opened(digest(bug(1), bug(2), notes=("a note",), recovered_at=NOW))
    assert not {"img", "script", "link", "iframe", "form", "object"} & set(opened.page.elements)
    assert opened.page.values("src") == []
    assert not [name for name, _ in opened.page.attributes if name.startswith("on")]
    assert "url(" not in opened.html
    assert "@import" not in opened.html


def test_the_html_fits_phones_follows_dark_mode_and_names_its_language() -> None:
    opened = Opened(failing())
    assert opened.html.startswith("<!DOCTYPE html>")
    assert "en" in opened.page.values("lang")
    assert "width=device-width, initial-scale=1" in opened.page.values("content")
    assert "light dark" in opened.page.values("content")
    assert "@media (prefers-color-scheme: dark)" in opened.html
    assert "max-width:600px" in opened.html
    assert "font-size:16px" in opened.html


def test_the_list_of_mails_shows_what_the_subject_does_not_say() -> None:
    hidden = re.search('<div style="display:none[^>]*>(.*?)</div>', Opened(failing()).html)
    assert hidden
    assert hidden[1] == "Orders EU: The global failure count reached 3."
