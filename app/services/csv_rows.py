"""Rows of CSV that no spreadsheet takes for formulas.

A text that a spreadsheet may run (it begins with = + - @, also in full width, also behind blanks,
tabs or line ends) gets an apostrophe in front, as OWASP asks; a reader of the file strips it.
Everything else stands as it is, in quotes where RFC 4180 wants them; lines end with CR LF.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

_RUNS = tuple("=+-@\uff1d\uff0b\uff0d\uff20\u2212")
_FIRST = ("\t", "\r", "\n")
BOM = "\ufeff"


def lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield a file line by line, as the rows come; it begins with a mark that Excel wants."""
    yield BOM + _line(head)
    for row in rows:
        yield _line([cell(value) for value in row])


def cell(value: object) -> str:
    """Return a value as text: None is empty, times are ISO 8601 in UTC, texts are no formulas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value)
    bare = "".join(char for char in text if not _unseen(char))
    return f"'{text}" if text.startswith(_FIRST) or bare.startswith(_RUNS) else text


def _unseen(char: str) -> bool:
    return char.isspace() or not char.isprintable()


def _line(values: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(values)
    return written.getvalue()
