"""The page that every mail shares: a headline, facts, one link, and how to end these mails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

COLUMNS = 72
_FOLDER = Path(__file__).parent.parent / "templates" / "mail"
_BREAK = Markup("<br>\n")
_FIRST_LINE = Markup('<div style="padding-left:1em;text-indent:-1em;"><bdi>')
_END_LINE = Markup("</bdi></div>\n")
_NEXT_LINE = _END_LINE + _FIRST_LINE


@dataclass(frozen=True)
class Page:
    """What the layout shows; every text clean (see words), `tone` the colour of its bar.

    `again` says since when it works again, or nothing; `notes` say what else is to be known.
    """

    headline: str
    tone: Literal["bad", "good", "plain"]
    preheader: str
    again: str
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    button: str
    link: str
    settings_link: str
    public_url: str
    delivery_id: str


def wrap(text: str, indent: str = "") -> str:
    """Return our own prose in lines of at most 72 columns; long words stay whole."""
    if len(text) <= COLUMNS:
        return text
    return fill(
        text, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _phrases(phrases: Iterable[str]) -> str:
    """Return short phrases in lines that break only between two of them."""
    lines: list[str] = []
    for phrase in phrases:
        longer = f"{lines[-1]} · {phrase}" if lines else phrase
        lines[-1:] = [longer] if len(longer) <= COLUMNS or not lines else [lines[-1], phrase]
    return "\n".join(lines)


def _breaks(lines: Iterable[str]) -> Markup:
    return _BREAK.join(lines)


def _code(lines: Iterable[str]) -> Markup:
    """Return the lines of a trace, each a block of its own with the indentation it came with."""
    return _FIRST_LINE + _NEXT_LINE.join(map(_indented, lines)) + _END_LINE


def _indented(line: str) -> str:
    rest = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(rest)) + rest


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        auto_reload=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(wrap=wrap, phrases=_phrases, breaks=_breaks, code=_code)
    return made


# One for the process: compiling the templates takes as long as a hundred mails.
_TEMPLATES = _environment()


def render_page(kind: str, page: Page, **more: Any) -> tuple[str, str]:
    """Return text and HTML of `page` by the templates `<kind>.txt` and `<kind>.html`."""
    text = _TEMPLATES.get_template(f"{kind}.txt").render(page=page, **more)
    html = _TEMPLATES.get_template(f"{kind}.html").render(page=page, **more)
    return text, html
