"""Words for people: spans, cuts, and foreign text that acts no more."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from app.words import clean, cut, first_lines, moment, one_line, shortened, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (3_599, "59 minutes"),
        (3_600, "1 hour"),
        (8_040, "2 hours 14 minutes"),
        (86_400 + 7_200 + 240, "1 day 2 hours"),
        (2_000 * 86_400, "2,000 days"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: int, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said


def test_times_are_told_in_utc_whatever_their_zone() -> None:
    local = datetime(2026, 1, 1, 1, 5, 9, tzinfo=timezone(timedelta(hours=2)))
    assert moment(local) == "31 Dec 2025, 23:05 UTC"
    assert moment(local, seconds=True) == "31 Dec 2025, 23:05:09 UTC"


@pytest.mark.parametrize(
    ("foreign", "shown", "in_a_header"),
    [
        ("a\x00b\x1b[31mc\x7f", "a␀b␛[31mc␡", "a b [31mc"),
        ("a\r\nb\rc\x0bd\x85e\u2028f\u2029g", "a\nb\nc\nd\ne\nf\ng", "a b c d e f g"),
        ("\u202egpj.exe", "[U+202E]gpj.exe", "gpj.exe"),
        ("\u2066isolated\u2069", "\u2066isolated\u2069", "isolated"),
        ("a\ud800b\udfff", "a�b�", "a�b�"),
        ("a\x9bb", "a�b", "a b"),
        ("é 日本語 👩‍👩‍👧 مرحبا", "é 日本語 👩‍👩‍👧 مرحبا", "é 日本語 👩‍👩‍👧 مرحبا"),
    ],
)
def test_no_character_of_foreign_text_acts(foreign: str, shown: str, in_a_header: str) -> None:
    assert clean(foreign) == shown
    assert one_line(foreign) == in_a_header


@pytest.mark.parametrize(
    ("text", "longest", "kept"),
    [
        ("short", 5, "short"),
        ("login refused: wrong", 16, "login refused…"),
        ("x" * 20, 10, "x" * 9 + "…"),
        ("a " + "x" * 20, 10, "a xxxxxxx…"),
    ],
)
def test_a_cut_keeps_words_and_shows_itself(text: str, longest: int, kept: str) -> None:
    assert cut(text, longest) == kept


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("one\ntwo", ("one", "two")),
        ("x" * 12, ("x" * 10, "… 2 more characters in Tocsin")),
        ("a\nb\nc\nd", ("a", "b", "c", "… 1 more character in Tocsin")),
        ("", ("",)),
    ],
)
def test_a_shortened_message_says_how_much_is_missing(message: str, lines: tuple[str]) -> None:
    assert shortened(message, 10, 3) == lines


def test_the_first_lines_of_a_trace_keep_their_indentation_and_show_their_cut() -> None:
    assert first_lines("E\r\n\tat x\r  y\n" + "z" * 30 + "\nmore", 4, 6) == (
        "E",
        "    at x",
        "  y",
        "zzzzzz…",
    )
