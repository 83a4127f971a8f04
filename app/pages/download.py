"""Files that a page gives away, streamed as they are made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import stream_with_context
from werkzeug.wrappers import Response

from app.services import csv_rows


def csv(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """Return `rows` as a CSV file of `name`; nothing in it is a formula to a spreadsheet."""
    lines = (line.encode() for line in csv_rows.lines(head, rows))
    response = Response(stream_with_context(lines), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
