"""What a chat message tells of a notification, before any markup is made of it."""

from __future__ import annotations

from dataclasses import dataclass

from app.channels.http_event_words import EventWords, mark
from app.channels.http_links import Link, link, reported
from app.channels.notice import TEST, EventPart, Notice
from app.words import MORE, count

MOST_LISTED = 10
TRIAL = "test"


@dataclass(frozen=True)
class Told:
    """A notification in words; all but `description` and `trace` are of one line each.

    `tone` is OVER, TRIAL, or a severity as it was reported, and `mark` its emoji. Where `headline`
    is cut, `tail` stays. Of several events, `total` in number, `lines` tell the newest ones, newest
    first. `untold`: there is a trace, but not here.
    """

    tone: str
    mark: str
    headline: str
    links: tuple[Link, ...]
    tail: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    labels: str = ""
    description: str = ""
    trace: str = ""
    untold: str = ""
    lines: tuple[str, ...] = ()
    total: int = 1


def told(notice: Notice) -> Told:
    """Return what `notice` tells of its events, of which there is at least one."""
    if len(notice.events) > 1:
        return _several(notice)
    event = EventWords(notice.events[0].facts)
    if notice.type == TEST:
        links = link("See the system in Tocsin", notice.link)
        return Told(TRIAL, "🔔", event.title, links, description=event.text("description"))
    return _one(notice, notice.events[0], event)


def _one(notice: Notice, part: EventPart, event: EventWords) -> Told:
    missing = bool(part.facts.get("hasTrace")) and not part.trace
    return Told(
        event.tone,
        mark(event.tone),
        event.headline,
        link("See the event in Tocsin", notice.link) + reported(event.text("link")),
        facts=tuple((name, value) for name, value in event.facts() if value),
        labels=event.labels(),
        description=event.text("description"),
        trace=part.trace or "",
        untold=f"The trace is {MORE}." if missing else "",
    )


def _several(notice: Notice) -> Told:
    """The worst of those that fire leads, as in a mail."""
    events = [EventWords(part.facts) for part in notice.events]
    lead = min(events, key=EventWords.urgency)
    return Told(
        lead.tone,
        mark(lead.tone),
        lead.headline,
        link("See the events in Tocsin", notice.link),
        tail=f" and {count(len(events) - 1, 'more event')}",
        lines=tuple(one.line for one in events[: -MOST_LISTED - 1 : -1]),
        total=len(events),
    )
