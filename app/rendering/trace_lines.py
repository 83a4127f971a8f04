"""How much of long traces one PDF shows: whole lines, shared fairly, nothing cut unsaid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.words import clean, cut_hard

LINES = 2_000
BYTES = 256 * 1024
WIDTH = 2_000
_TAB = 4
_DEEPEST = 40  # columns of indentation: beyond them the lines become too narrow to read
_LEAST_OF_A_LINE = 80
_GAPS = 20_000  # each costs 0.1 ms to lay out
_NO_BREAK = "\u00a0"
_GAP = re.compile("(?<= ) |\u00a0")
# The "at" of a stack frame that needs more than a line would stand alone on the first.
_LONELY = re.compile(r"^(\S{1,3}) (?=\S{90})")


@dataclass(frozen=True)
class Line:
    """A line as it is drawn: its columns of indentation, and a text that is never empty."""

    indent: int
    text: str


@dataclass(frozen=True)
class Shown:
    """What is drawn of one trace; `left_out` lines are not, and `shortened` ones lack their end."""

    lines: tuple[Line, ...]
    left_out: int
    shortened: int


def fit(traces: Sequence[tuple[str, int]]) -> tuple[Shown, ...]:
    """Return what is drawn of each trace (its text, and how many lines it has in all).

    At most LINES lines and BYTES of UTF-8 in all, no line longer than WIDTH. A short trace is
    shown whole; what it does not need goes to the longer ones.
    """
    whole = [text.splitlines() for text, _ in traces]
    shares = fair([len(lines) for lines in whole], LINES)
    heads = [_head(lines[:most], BYTES) for lines, most in zip(whole, shares, strict=True)]
    room = fair([sum(map(_size, head)) for head in heads], BYTES)
    kept = [_head(head, most) for head, most in zip(heads, room, strict=True)]
    close = sum(len(_GAP.findall(line)) for lines in kept for line in lines) > _GAPS
    return tuple(
        Shown(
            lines=tuple(_line(text, close) for text in lines),
            left_out=max(in_all, len(all_lines)) - len(lines),
            shortened=sum(map(_is_cut, all_lines, lines)),
        )
        for (_, in_all), all_lines, lines in zip(traces, whole, kept, strict=True)
    )


def fair(wanted: Sequence[int], total: int) -> list[int]:
    """Return a share of `total` for each: small wishes in full, the others alike."""
    shares, left = [0] * len(wanted), total
    for done, index in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        shares[index] = min(wanted[index], left // (len(wanted) - done))
        left -= shares[index]
    return shares


def _head(lines: Sequence[str], most: int) -> list[str]:
    """Return the first lines, made legible, that fit into `most` bytes; the last may be cut."""
    return list(_within(map(_legible, lines), most))


def _legible(line: str) -> str:
    """Return a line without anything unseen, at most WIDTH characters and an ellipsis."""
    # Cut on both sides of the cleaning: before, since a line may have 10 MB; after, as it grows.
    return cut_hard(clean(line[: WIDTH + 1].expandtabs(_TAB)), WIDTH).rstrip(" ")


def _size(line: str) -> int:
    return len(line.encode()) + 1


def _within(lines: Iterable[str], most: int) -> Iterator[str]:
    for line in lines:
        if _size(line) > most:
            if most > _LEAST_OF_A_LINE:
                yield line.encode()[: most - 4].decode(errors="ignore") + "…"
            return
        most -= _size(line)
        yield line


def _is_cut(original: str, shown: str) -> bool:
    return shown.endswith("…") and not original.endswith("…")


def _line(text: str, close: bool) -> Line:
    """Return a line ready to be drawn; `close`: runs of spaces in it become single ones."""
    rest = _LONELY.sub(rf"\1{_NO_BREAK}", text.lstrip(" "))
    inner = rest.replace(_NO_BREAK, " ") if close else _GAP.sub(_NO_BREAK, rest)
    return Line(min(len(text) - len(rest), _DEEPEST), inner or _NO_BREAK)
