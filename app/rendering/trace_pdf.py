"""The document of error traces: what it holds, and its XHTML, one page head per failure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from app.domain.kinds import Direction, Kind
from app.rendering.trace_lines import Line, Shown, fit
from app.words import count, cut, label, moment, shortened, times

_FOLDER = Path(__file__).parent.parent / "templates" / "pdf"
_LONGEST_NAME = 60
_LONGEST_TITLE = 200
_MESSAGE = (2_000, 30)  # characters and lines
_KINDS = {Kind.GLOBAL: "Global failure", Kind.PROCESSING: "Processing failure"}


@dataclass(frozen=True)
class TracePage:
    """One failure; `count` is for life, `link` leads to it in Tocsin.

    `trace` may be the head of a trace that has `trace_lines` lines in all (as str.splitlines
    counts); None: it has none, or it could not be read.
    """

    failure_id: str
    link: str
    kind: Kind
    error_code: str | None
    message: str
    entity_type: str | None
    entity_id: str | None
    project: str | None
    count: int
    first_at: datetime
    last_at: datetime
    trace: str | None
    trace_lines: int


@dataclass(frozen=True)
class TraceDocument:
    """The traces of one mail; `direction` says which of the two systems comes first."""

    title: str
    integration: str
    system1: str
    system2: str
    direction: Direction
    made_at: datetime
    pages: tuple[TracePage, ...]


@dataclass(frozen=True)
class Section:
    """A page as the template shows it; `cut` says what is not shown of the trace."""

    kind: str
    title: str
    message: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    link: str
    heading: str
    lines: tuple[Line, ...]
    cut: str


def xhtml(document: TraceDocument) -> str:
    """Return the document as xhtml2pdf reads it; no text in it makes this raise.

    Everything is escaped, and what a file or an address could be in is not in it.
    """
    shown = fit([(page.trace or "", page.trace_lines) for page in document.pages])
    sections = tuple(map(_section, document.pages, shown))
    return _TEMPLATES.get_template("traces.html").render(
        title=cut(label(document.title), _LONGEST_TITLE),
        integration=_name(document.integration),
        route=_route(document),
        made=moment(document.made_at),
        total=count(len(sections), "failure"),
        sections=sections,
        indents=sorted({line.indent for section in sections for line in section.lines}),
    )


def _name(text: str) -> str:
    return cut(label(text), _LONGEST_NAME)


def _route(document: TraceDocument) -> str:
    ends = [_name(document.system1), _name(document.system2)]
    if document.direction is Direction.BACKWARD:
        ends.reverse()
    return " → ".join(filter(None, ends))


def _section(page: TracePage, shown: Shown) -> Section:
    title, *facts = _facts(page)
    message = shortened(page.message, *_MESSAGE)
    return Section(
        kind=f"{_KINDS[page.kind]} {_name(page.failure_id)}",
        title=title[1],
        message=message if any(map(str.strip, message)) else ("No message was given.",),
        facts=tuple(facts),
        link=label(page.link),
        heading=_heading(shown),
        lines=shown.lines,
        cut=_cut(shown),
    )


def _facts(page: TracePage) -> Iterator[tuple[str, str]]:
    """Yield names and values, the first known of them being the title of the page."""
    entity = f"{page.entity_type or ''} {page.entity_id or ''}"
    named = (("Code", page.error_code), ("Entity", entity), ("Project", page.project))
    known = [(name, cut(label(text or ""), _LONGEST_TITLE)) for name, text in named]
    yield from [fact for fact in known if fact[1]] or [("", _KINDS[page.kind])]
    last = moment(page.last_at, seconds=True)
    if page.count == 1:
        yield "Logged", last
        return
    yield "Logged", f"{times(page.count)} in all"
    yield "First", moment(page.first_at, seconds=True)
    yield "Last", last


def _heading(shown: Shown) -> str:
    in_all = shown.left_out + len(shown.lines)
    return f"Trace, {count(in_all, 'line')}" if in_all else "It was reported without a trace"


def _cut(shown: Shown) -> str:
    """Return what is not shown of a trace, or nothing."""
    if not shown.lines:
        return "The trace is not in this document" if shown.left_out else ""
    missing = []
    if shown.left_out:
        missing.append(count(shown.left_out, "further line"))
    if shown.shortened:
        missing.append(f"the rest of {count(shown.shortened, 'long line')}")
    return f"… {' and '.join(missing)}" if missing else ""


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


_TEMPLATES = _environment()
