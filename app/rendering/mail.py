"""The mail about failures: subject, text and HTML in one message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.kinds import Kind
from app.rendering.mime import Attachment, Head, build
from app.rendering.page import Page, render_page
from app.rendering.subject import entity, headline, subject
from app.rendering.told import FailureLine, FailureMail
from app.rendering.words import (
    MORE,
    clean,
    count,
    cut,
    first_lines,
    label,
    moment,
    shortened,
    span,
    times,
)

__all__ = ["Attachment", "FailureLine", "FailureMail", "Rendered", "render"]

FEW = 5  # up to here each failure has room for its whole message and the head of its trace
TRACE_LINES, SHORT_TRACE_LINES = 12, 6
TRACE_WIDTH = 200
_MESSAGE = (4_000, 60)  # characters and lines
_SHORT_MESSAGE = (300, 4)
_PREVIEW = 140


@dataclass(frozen=True)
class Rendered:
    """A mail ready to be sent."""

    subject: str
    body: bytes


@dataclass(frozen=True)
class Block:
    """One failure as the templates show it; `rest` says what of the trace is not shown."""

    title: str
    code: str
    message: tuple[str, ...]
    meta: tuple[str, ...]
    trace: tuple[str, ...]
    rest: str


def render(mail: FailureMail, attachments: tuple[Attachment, ...] = ()) -> Rendered:
    """Return `mail` as bytes for DATA; the same mail gives the same bytes.

    No text in it makes this raise; an address that could end its header does (Invalid).
    """
    title = subject(mail)
    blocks = tuple(_block(mail, failure) for failure in mail.failures)
    text, html = render_page("failure", _page(mail), blocks=blocks, more=_more(mail))
    head = Head(
        sender=mail.sender,
        to=mail.to,
        cc=mail.cc,
        subject=title,
        now=mail.now,
        message_id=mail.message_id,
        references=mail.references,
        delivery_id=mail.delivery_id,
    )
    return Rendered(title, build(head, text, html, attachments))


def _page(mail: FailureMail) -> Page:
    again = mail.recovered_at
    seen = "the failure" if mail.total == 1 else f"all {mail.total:,} failures"
    return Page(
        headline=headline(mail),
        tone="good" if again else "bad",
        preheader=_preheader(mail),
        again=f"Works again since {moment(again)}." if again else "",
        notes=tuple(label(note) for note in mail.notes),
        facts=tuple(_facts(mail)),
        button=f"See {seen} in Tocsin",
        link=label(mail.link),
        settings_link=label(mail.settings_link),
        public_url=label(mail.public_url),
        delivery_id=label(mail.delivery_id),
    )


def _more(mail: FailureMail) -> str:
    unlisted = mail.total - len(mail.failures)
    return f"{count(unlisted, 'more failure')} {MORE}" if unlisted > 0 else ""


def _preheader(mail: FailureMail) -> str:
    """Return what the list of mails shows beside the subject: what the subject does not say."""
    if mail.kind is Kind.GLOBAL or mail.total == 1:
        return cut(label(f"{mail.integration}: {mail.why_text}"), _PREVIEW)
    return cut(", ".join(filter(None, map(entity, mail.failures[:FEW]))), _PREVIEW)


def _facts(mail: FailureMail) -> Iterator[tuple[str, str]]:
    if mail.since:
        end = mail.recovered_at or mail.now
        name = "Failed from" if mail.recovered_at else "Failing since"
        yield name, f"{moment(mail.since)} ({span(end - mail.since)})"
    if mail.occurrences and mail.kind is Kind.GLOBAL:
        yield "In a row", count(mail.occurrences, "failure")
    yield "Integration", f"{label(mail.integration)}, {mail.direction} direction"
    yield "Why this mail", label(mail.why_text)


def _block(mail: FailureMail, failure: FailureLine) -> Block:
    short = mail.total > FEW
    lines = shortened(failure.message, *(_SHORT_MESSAGE if short else _MESSAGE))
    trace, rest = _trace(mail, failure)
    return Block(
        title=cut(clean(entity(failure)), TRACE_WIDTH) if mail.total > 1 else "",
        code=label(failure.error_code or ""),
        message=lines if any(lines) else ("No message was given.",),
        meta=tuple(_meta(mail, failure)),
        trace=trace,
        rest=rest,
    )


def _trace(mail: FailureMail, failure: FailureLine) -> tuple[tuple[str, ...], str]:
    """Return the first lines of the trace, and a line about the others."""
    if not mail.include_trace or not failure.trace_lines or mail.total > FEW:
        return (), ""
    if not failure.trace:
        return (), f"The trace ({count(failure.trace_lines, 'line')}) is {MORE}."
    lines = TRACE_LINES if mail.total == 1 else SHORT_TRACE_LINES
    shown = first_lines(failure.trace, lines, TRACE_WIDTH)
    more = failure.trace_lines - len(shown)
    return shown, f"… {count(more, 'more line')} {MORE}" if more > 0 else ""


def _meta(mail: FailureMail, failure: FailureLine) -> Iterator[str]:
    if failure.project:
        yield f"Project {label(failure.project)}"
    if not failure.accessible:
        yield "Not accessible"
    if mail.kind is Kind.GLOBAL and entity(failure):
        yield label(entity(failure))
    if failure.retry_count is not None:
        most = "" if failure.max_retry_count is None else f" of {failure.max_retry_count:,}"
        yield f"Retried {failure.retry_count:,}{most}"
    last = moment(failure.last_at, seconds=True)
    if failure.count == 1:
        yield f"Logged {last}"
        return
    if mail.total <= FEW:
        yield f"Logged {times(failure.count)} in all"
        yield f"First {moment(failure.first_at, seconds=True)}"
    yield f"Last {last}"
