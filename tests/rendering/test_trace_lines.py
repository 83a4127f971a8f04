"""What of long traces one document shows."""

from __future__ import annotations

import pytest

from app.rendering.trace_lines import BYTES, LINES, WIDTH, Line, Shown, fair, fit


def one(trace: str, in_all: int = 0) -> Shown:
    return fit([(trace, in_all)])[0]


def size(shown: Shown) -> int:
    return sum(line.indent + len(line.text.encode()) + 1 for line in shown.lines)


@pytest.mark.parametrize(
    ("wanted", "total", "shares"),
    [
        ([], 10, []),
        ([3, 4], 10, [3, 4]),
        ([3, 100, 100], 23, [3, 10, 10]),
        ([100, 3, 100], 24, [10, 3, 11]),
        ([5, 5, 5], 2, [0, 1, 1]),
        ([0, 9], 4, [0, 4]),
    ],
)
def test_small_wishes_are_met_and_the_others_share_alike(
    wanted: list[int], total: int, shares: list[int]
) -> None:
    assert fair(wanted, total) == shares


def test_a_short_trace_is_whole_with_its_indentation() -> None:
    shown = one("Error: no\n\tat a\n    at b\n\nend  ")

    assert shown.left_out == shown.shortened == 0
    assert [(line.indent, line.text) for line in shown.lines] == [
        (0, "Error: no"),
        (4, "at a"),
        (4, "at b"),
        (0, "\u00a0"),
        (0, "end"),
    ]


def test_2000_lines_are_shown_and_the_others_counted() -> None:
    shown = one("at x\n" * 1_000_000)

    assert (len(shown.lines), shown.left_out) == (LINES, 998_000)


def test_lines_that_are_not_even_in_the_head_are_counted() -> None:
    assert one("first\nsecond", 352).left_out == 350


def test_a_long_line_is_cut_and_counted() -> None:
    shown = one("x" * 10_000_000 + "\nshort…")

    assert [line.text for line in shown.lines] == ["x" * WIDTH + "…", "short…"]
    assert (shown.left_out, shown.shortened) == (0, 1)


@pytest.mark.parametrize("letter", ["x", "ж", "错", "😀", "\x01", "\u202e", "\t", "\ud800"])
def test_never_more_than_256_kb_and_nothing_is_cut_unsaid(letter: str) -> None:
    shown = one("\n".join([letter * 1_500] * LINES))

    assert size(shown) <= BYTES + 4 * len(shown.lines)
    assert shown.left_out == LINES - len(shown.lines)


def test_several_traces_share_the_lines() -> None:
    short, long, longer = fit([("a\n" * 100, 0), ("b\n" * 1_500, 0), ("c\n" * 9_000, 0)])

    assert (len(short.lines), short.left_out) == (100, 0)
    assert (len(long.lines), len(longer.lines)) == (950, 950)
    assert (long.left_out, longer.left_out) == (550, 8_050)


def test_several_traces_share_the_bytes() -> None:
    wide = "w" * WIDTH
    short, *long = fit([("a", 0), *[(f"{wide}\n" * 200, 0)] * 3])

    assert short.lines == (Line(0, "a"),)
    assert {len(shown.lines) for shown in long} == {44}
    assert sum(map(size, long)) <= BYTES


def test_of_200_traces_each_shows_at_least_the_start_of_its_first_line() -> None:
    many = fit([("错" * WIDTH, 0)] * 200)

    assert {len(shown.lines) for shown in many} == {1}
    assert {shown.shortened for shown in many} == {1}
    assert all(shown.lines[0].text.endswith("错…") for shown in many)


def test_what_acts_unseen_becomes_visible() -> None:
    assert one("\x1b[31m\x00 \ud800 \u202eabc\x7f").lines == (Line(0, "␛[31m␀ � [U+202E]abc␡"),)


def test_columns_stay_in_line() -> None:
    assert one("a   b").lines == (Line(0, "a \u00a0\u00a0b"),)


def test_gaps_close_where_there_are_too_many_of_them_to_lay_out() -> None:
    shown = one(("a  b" * 400 + "\n") * 100)

    assert {line.text.count("\u00a0") for line in shown.lines} == {0}


def test_the_word_before_a_very_long_one_stays_with_it() -> None:
    frame = "x" * 120

    assert one(f"\tat {frame}\n\tat y").lines == (Line(4, f"at\u00a0{frame}"), Line(4, "at y"))


def test_deep_indentation_leaves_room_for_the_line() -> None:
    assert one(" " * 500 + "x").lines == (Line(40, "x"),)


def test_no_trace_shows_nothing() -> None:
    assert one("") == Shown((), 0, 0)
    assert one("", 12) == Shown((), 12, 0)
