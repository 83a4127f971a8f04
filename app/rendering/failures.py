"""The page of a mail about failures: what failed, how often, and the head of its trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.kinds import Kind
from app.rendering.page import Page, render_page
from app.rendering.subject import entity, headline
from app.rendering.told import FailureLine, FailureMail
from app.words import (
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

FEW = 5  # up to here each failure has room for its whole message and the head of its trace
TRACE_LINES, SHORT_TRACE_LINES = 12, 6
TRACE_WIDTH = 200
MESSAGE = (4_000, 60)  # characters and lines
_SHORT_MESSAGE = (300, 4)
_PREVIEW = 140
_TWO = 2


@dataclass(frozen=True)
class Block:
    """One failure as the templates show it; `rest` says what of the trace is not shown."""

    title: str
    code: str
    message: tuple[str, ...]
    meta: tuple[str, ...]
    trace: tuple[str, ...]
    rest: str


def failure_page(mail: FailureMail, *, attached: bool) -> tuple[str, str]:
    """Return text and HTML of `mail`; `attached`: the PDF of its traces goes with it."""
    return render_page(
        "failure",
        _page(mail),
        mail,
        blocks=tuple(_block(mail, failure) for failure in mail.failures),
        more=_more(mail),
        attached=_attached(mail) if attached else "",
    )


def _page(mail: FailureMail) -> Page:
    again, kind = mail.recovered_at, mail.kind
    several = "both" if mail.total == _TWO else f"all {mail.total:,}"
    seen = "the failure" if mail.total == 1 else f"{several} failures"
    return Page(
        headline=headline(mail),
        tone="good" if again and kind is Kind.GLOBAL else "bad",
        preheader=_preheader(mail),
        again=moment(again) if again else "",
        notes=tuple(_unhealed(mail)),
        facts=tuple(_facts(mail)),
        button=f"See {seen} in Tocsin",
    )


def _unhealed(mail: FailureMail) -> Iterator[str]:
    """Yield what an integration that works again does not say: whether its entities are well."""
    if mail.recovered_at and mail.kind is Kind.PROCESSING:
        listed = "this entity is" if mail.total == 1 else "these entities are"
        yield f"No report has said yet that {listed} synchronised."


def _attached(mail: FailureMail) -> str:
    trace = "error trace is" if mail.total == 1 else "error traces are"
    return f"The {trace} attached as a PDF."


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
    lines = shortened(failure.message, *(_SHORT_MESSAGE if short else MESSAGE))
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
    if not mail.include_trace or mail.total > FEW:
        return (), ""
    lines = TRACE_LINES if mail.total == 1 else SHORT_TRACE_LINES
    return trace_head(failure.trace, failure.trace_lines, lines)


def trace_head(trace: str | None, whole: int, most: int) -> tuple[tuple[str, ...], str]:
    """Return the first `most` lines of a trace of `whole` lines, and a line about the others."""
    if not whole:
        return (), ""
    if not trace:
        return (), f"The trace ({count(whole, 'line')}) is {MORE}."
    shown = first_lines(trace, most, TRACE_WIDTH)
    more = whole - len(shown)
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
