"""Documents of error traces, and what a reader of the PDF sees."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pypdfium2  # type: ignore[import-untyped]
from PIL import Image

from app.domain.kinds import Direction, Kind
from app.rendering.trace_pdf import TraceDocument, TracePage

NOW = datetime(2026, 11, 3, 10, 46, 5, tzinfo=UTC)
PAGE = TracePage(
    failure_id="81",
    link="https://tocsin.example.org/failures/global/81",
    kind=Kind.GLOBAL,
    error_code="AUTH_401",
    message="Login refused",
    entity_type=None,
    entity_id=None,
    project=None,
    count=7,
    first_at=NOW - timedelta(hours=2),
    last_at=NOW - timedelta(minutes=1),
    trace="LoginError: 401\n\tat sync.py line 10",
    trace_lines=2,
)
DOCUMENT = TraceDocument(
    title="Error traces of Orders EU",
    integration="Orders EU",
    system1="Jira",
    system2="ServiceNow",
    direction=Direction.FORWARD,
    made_at=NOW,
    pages=(PAGE,),
)
# 4 to 12 s and 500 MB to draw: at every second character the font changes, or the direction.
SLOW = "\n".join(["سa " * 660] * 130)


def failed(trace: str | None = PAGE.trace, **changes: Any) -> TracePage:
    """Return a failure with this trace, which is all of it unless `trace_lines` says otherwise."""
    lines = len((trace or "").splitlines())
    return replace(PAGE, **({"trace": trace, "trace_lines": lines} | changes))


def document(*pages: TracePage, **changes: Any) -> TraceDocument:
    """Return a document of these failures."""
    return replace(DOCUMENT, pages=pages or DOCUMENT.pages, **changes)


@dataclass(frozen=True)
class Drawn:
    """A character on a page: its edges in points from the left, and whether it left ink there."""

    character: str
    left: float
    right: float
    inked: bool


class Pdf:
    """A PDF as PDFium shows it, the reader in Chromium."""

    def __init__(self, content: bytes) -> None:
        self.pages: list[str] = []
        self.width = 0.0
        self._content = content
        with closing(pypdfium2.PdfDocument(content)) as opened:
            self.title = opened.get_metadata_value("Title")
            for sheet in opened:
                text = sheet.get_textpage().get_text_bounded()
                self.pages.append(text.replace("\r\n", "\n"))
                self.width = sheet.get_width()

    @property
    def text(self) -> str:
        """The words of all pages."""
        return "\n".join(self.pages)

    def drawn(self, number: int = 0) -> list[Drawn]:
        """Return every character of a page that is not a space."""
        with closing(pypdfium2.PdfDocument(self._content)) as opened:
            sheet = opened[number]
            text, scale, height = sheet.get_textpage(), 4, sheet.get_height()
            picture = sheet.render(scale=scale).to_pil().convert("L")
            found = []
            for index in range(text.count_chars()):
                character = text.get_text_range(index, 1)
                left, bottom, right, top = text.get_charbox(index)
                edges = (left, height - top, right, height - bottom)
                x1, y1, x2, y2 = (int(edge * scale) for edge in edges)
                ink = _has_ink(picture.crop((x1, y1, x2 + 1, y2 + 1)))
                if character.strip():
                    found.append(Drawn(character, left, right, ink))
        return found


def _has_ink(picture: Image.Image) -> bool:
    return any(picture.histogram()[:160])
