"""The page that every mail shares: a headline, facts, one link, and where the settings are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from app.rendering.told import Envelope
from app.words import label

COLUMNS = 72
_FOLDER = Path(__file__).parent.parent / "templates" / "mail"
_BREAK = Markup("<br>\n")
_FIRST_LINE = Markup('<div style="padding-left:1em;text-indent:-1em;"><bdi>')
_END_LINE = Markup("</bdi></div>\n")
_NEXT_LINE = _END_LINE + _FIRST_LINE


@dataclass(frozen=True)
class Page:
    """What the layout shows; every text clean (see words), `tone` the colour of its bar.

    `again` is the moment since when it works again, or nothing; `notes` come before those of the
    mail, `says` are sentences before the facts.
    `button` names what the mail links to, `settings` what its settings link is good for.
    """

    headline: str
    tone: Literal["bad", "good", "plain"]
    preheader: str
    facts: tuple[tuple[str, str], ...]
    button: str
    settings: str = "Change or stop these mails"
    again: str = ""
    notes: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


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


def render_page(template: str, page: Page, mail: Envelope, **more: Any) -> tuple[str, str]:
    """Return text and HTML of `page` by the templates `<template>.txt` and `<template>.html`."""
    shown = {
        "page": page,
        "notes": (*page.notes, *filter(None, map(label, mail.notes))),
        "link": label(mail.link),
        "settings_link": label(mail.settings_link),
        "public_url": label(mail.public_url),
        "delivery_id": label(mail.delivery_id),
        **more,
    }
    text = _TEMPLATES.get_template(f"{template}.txt").render(shown)
    html = _TEMPLATES.get_template(f"{template}.html").render(shown)
    return text, html
