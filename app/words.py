"""Words for people: times, spans, counts, and foreign text made safe to show."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))
_PICTURES = 0x2400  # U+2400 and on: the pictures of the control characters
# LRO and RLO reverse what follows them. The other marks of direction do no harm once isolated, and
# some libraries put them around every value, so these two alone are spelled out.
_ODD = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff]")
_NOT_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LEAST_OF_A_CUT = 0.6
MORE = "in Tocsin"


def clean(text: str) -> str:
    r"""Return `text` with `\n` as its only line break and nothing in it that acts unseen.

    Control characters become their pictures, the two overrides of direction are spelled out, and
    what cannot be encoded (a lone surrogate) becomes U+FFFD.
    """
    if text.isprintable():  # which nearly all are: ten times faster than the two searches
        return text
    return _ODD.sub(_picture, "\n".join(text.splitlines()))


def _picture(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < ord(" "):
        return chr(_PICTURES + code)
    if code in (0x202D, 0x202E):
        return f"[U+{code:04X}]"
    return "\u2421" if code == 0x7F else "\ufffd"  # noqa: PLR2004 - DEL and its picture


def one_line(text: str) -> str:
    """Return `text` as one line fit for a header: no control character, no run of spaces."""
    if not text.isprintable():
        text = _SURROGATE.sub("\ufffd", _NOT_IN_A_LINE.sub(" ", text))
    return " ".join(text.split())


def label(text: str) -> str:
    """Return `text` as one line of a body, its control characters visible."""
    return " ".join(clean(text).split())


def cut(text: str, longest: int) -> str:
    """Return `text`, or as many of its words as fit in `longest` characters with an ellipsis."""
    if len(text) <= longest:
        return text
    head = text[: longest - 1]
    space = head.rfind(" ")
    if space >= longest * _LEAST_OF_A_CUT:
        head = head[:space]
    return head.rstrip(" ,;:.(-") + "…"


def shortened(text: str, characters: int, lines: int) -> tuple[str, ...]:
    """Return the lines of a message, with a last line that says what was left out, if anything."""
    kept = clean(text[:characters]).strip("\n").split("\n", lines)
    more = len(text) - characters
    if len(kept) > lines:
        more = max(more, 0) + len(kept.pop())
    return (*kept, f"… {count(more, 'more character')} {MORE}") if more > 0 else tuple(kept)


def first_lines(text: str, lines: int, width: int) -> tuple[str, ...]:
    """Return the first `lines` of a trace, each cut at `width` characters with an ellipsis."""
    head = text.splitlines()[:lines]
    return tuple(clean(cut_hard(line, width).expandtabs(4)) for line in head)


def cut_hard(text: str, longest: int) -> str:
    """Return `text`, or its first `longest` characters and an ellipsis."""
    return text if len(text) <= longest else text[:longest] + "…"


def moment(when: datetime, *, seconds: bool = False) -> str:
    """Return a time as `3 Nov 2026, 10:31 UTC`."""
    utc = when.astimezone(UTC)
    clock = f"{utc:%H:%M:%S}" if seconds else f"{utc:%H:%M}"
    return f"{utc.day} {_MONTHS[utc.month - 1]} {utc.year}, {clock} UTC"


def clock(when: datetime, now: datetime) -> str:
    """Return a time as `10:31 UTC`, with its day where that is another one than today."""
    utc = when.astimezone(UTC)
    day = (
        "" if utc.date() == now.astimezone(UTC).date() else f"{utc.day} {_MONTHS[utc.month - 1]}, "
    )
    return f"{day}{utc:%H:%M} UTC"


def span(length: timedelta) -> str:
    """Return a length of time in its two largest units: `2 hours 14 minutes`."""
    rest, parts = int(length.total_seconds()), []
    for name, size in _UNITS:
        if rest >= size:
            parts.append(count(rest // size, name))
            rest %= size
    return " ".join(parts[:2]) or "less than a minute"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 failure`, `1,204 failures`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def times(number: int) -> str:
    """Return `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")
