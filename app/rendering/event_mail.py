"""The mail about a routed event, or several: what was reported, where, the head of its trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from app.domain.event_kinds import EventStatus, Received, Row, Severity
from app.domain.routing import TITLES
from app.rendering.failures import MESSAGE, TRACE_LINES, Block, trace_head
from app.rendering.page import Page, render_page
from app.rendering.subject import LONGEST, LONGEST_NAME, composed
from app.rendering.told import EventLine, EventMail
from app.words import MORE, clean, count, cut, label, moment, one_line, shortened

MOST_LABELS = 20
_LONGEST_LABEL = 100  # characters of its name, and of its value
_PREVIEW = 140


def event_subject(mail: EventMail) -> str:
    """Return severity, source and title; the node where there is room for all of it."""
    if mail.total == 1:
        return _told(mail, " (resolved since)" if mail.resolved_at else "")
    more = f" and {count(mail.total - 1, 'more event')}"
    return composed("", _start(mail), mail.title, more)


def _told(event: EventMail | EventLine, since: str = "") -> str:
    told = composed("", _start(event), event.title, since)
    node = cut(one_line(event.node or ""), LONGEST_NAME)
    tail = f" · {node}"
    fits = node and node not in told and len(told) + len(tail) <= LONGEST
    return f"{told}{tail}" if fits else told


def _start(event: EventMail | EventLine) -> str:
    mark = "Resolved:" if _over(event) else f"[{event.received.upper()}]"
    return f"{mark} {_source(event)}"


def event_page(mail: EventMail) -> tuple[str, str]:
    """Return text and HTML of `mail`."""
    described = shortened(mail.description, *MESSAGE) if mail.description else ()
    trace, rest = trace_head(mail.trace, mail.trace_lines, TRACE_LINES)
    return render_page(
        "event",
        _page(mail),
        mail,
        described=described if any(map(str.strip, described)) else (),
        blocks=(Block(title="", code="", message=(), meta=(), trace=trace, rest=rest),),
        also=f"{count(len(mail.others), 'more event')} in this mail" if mail.others else "",
        others=tuple(map(_line, mail.others)),
        more=_more(mail),
        attached="",
    )


def _line(event: EventLine) -> tuple[str, str]:
    return clean(_told(event)), moment(event.occurred_at, seconds=True)


def _more(mail: EventMail) -> str:
    unlisted = mail.total - 1 - len(mail.others)
    return f"{count(unlisted, 'more event')} {MORE}" if unlisted > 0 else ""


def _page(mail: EventMail) -> Page:
    title = label(mail.title)
    return Page(
        # Its colour alone would not tell that it is over.
        headline=f"Resolved: {title}" if _over(mail) else title,
        tone=_tone(mail),
        # It came late: whoever reads it first would think that it goes on.
        notes=(f"Resolved since {moment(mail.resolved_at)}.",) if mail.resolved_at else (),
        preheader=cut(label(mail.description or mail.why_text), _PREVIEW),
        facts=tuple(_facts(mail)),
        button=f"See the {'event' if mail.total == 1 else 'events'} in Tocsin",
        settings="Change the routing",
    )


def _over(event: EventMail | EventLine) -> bool:
    return event.status is EventStatus.RESOLVED


def _tone(mail: EventMail) -> Literal["bad", "good", "plain"]:
    if _over(mail) or mail.resolved_at:
        return "good"
    return "plain" if mail.severity is Severity.INFO else "bad"


def _source(event: EventMail | EventLine) -> str:
    return TITLES[Row(event.source)]


def _facts(mail: EventMail) -> Iterator[tuple[str, str]]:
    yield "Source", _source(mail)
    routed = f", routed as {mail.severity}" if mail.received is Received.CRITICAL else ""
    yield "Severity", f"{mail.received}{routed}"
    yield "Status", mail.status
    if mail.node:
        yield "Node", label(mail.node)
    yield "Occurred", moment(mail.occurred_at, seconds=True)
    yield "Received", moment(mail.received_at, seconds=True)
    if mail.labels:
        yield "Labels", " · ".join(_labels(mail))
    if mail.reported_link:
        yield "Link", label(mail.reported_link)
    yield "Why this mail", label(mail.why_text)


def _labels(mail: EventMail) -> Iterator[str]:
    """Yield the first labels, none longer than a line or two, and how many more there are."""
    for name, value in list(mail.labels.items())[:MOST_LABELS]:
        yield f"{cut(label(name), _LONGEST_LABEL)}={cut(label(value), _LONGEST_LABEL)}"
    if len(mail.labels) > MOST_LABELS:
        yield f"{count(len(mail.labels) - MOST_LABELS, 'more label')} {MORE}"
