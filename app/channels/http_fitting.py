"""Cutting texts to what a service takes, measured as the service does; what is cut says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.words import MORE, clean, count, first_lines

# How much of the room of a message a text takes: never less than its characters.
Size = Callable[[str], int]
MOST_LINES, TRACE_LINES, TRACE_WIDTH = 40, 12, 200


def head(text: str, most: int, size: Size) -> str:
    """Return the longest beginning of `text` that takes at most `most`."""
    text = text[: max(most, 0)]
    if size(text) <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle]) <= most:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def fitted(text: str, most: int, size: Size) -> str:
    """Return `text`, or as much of it as takes at most `most` with an ellipsis."""
    kept = head(text, most, size)
    return kept if kept == text else head(text, most - size("…"), size).rstrip() + "…"


def beginning(text: str, most: int, size: Size) -> tuple[str, str]:
    """Return the first lines of `text` that take at most `most`, and what is said of the rest."""
    whole = clean(text).strip("\n")
    kept = head("\n".join(whole.split("\n", MOST_LINES)[:MOST_LINES]), most, size).rstrip()
    more = len(whole.rstrip()) - len(kept)
    return kept, f"… {count(more, 'more character')} {MORE}" if more > 0 else ""


def trace_head(trace: str, most: int, size: Size) -> tuple[tuple[str, ...], str]:
    """Return the first lines of a trace that take at most `most`, and what is said of the rest."""
    shown = first_lines(trace, TRACE_LINES, TRACE_WIDTH)
    return listed(shown, len(trace.splitlines()), "line", most, size)


def listed(
    lines: Sequence[str], whole: int, noun: str, most: int, size: Size
) -> tuple[tuple[str, ...], str]:
    """Return the first of `lines` that take at most `most`, and what is said of the `whole`."""
    shown = list(lines)
    while shown and sum(size(line) + 1 for line in shown) > most:
        shown.pop()
    more = whole - len(shown)
    return tuple(shown), f"… {count(more, f'more {noun}')} {MORE}" if more > 0 else ""
