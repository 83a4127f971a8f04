"""One event in the words of the mails (app/rendering/event_mail.py), read from its document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from app.domain.event_kinds import EventStatus, Received, Row
from app.domain.routing import TITLES
from app.words import MORE, count, cut, label, moment

OVER = str(EventStatus.RESOLVED)
MOST_LABELS, LONGEST_LABEL = 20, 100
_LONGEST_TITLE, _LONGEST_NODE = 120, 40
_WORST_FIRST = [str(one) for one in reversed(Received)]
_MARKS = {"critical": "🚨", "error": "🔴", "warning": "🟡", "info": "🔵", OVER: "🟢"}


def mark(tone: str) -> str:
    """Return the emoji of a tone: a severity as it was reported, or OVER."""
    return _MARKS[tone]


class EventWords:
    """What is said of an event; what its document lacks is left out."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts
        self.over = facts.get("status") == OVER
        given = self.said("severityReceived") or self.said("severity")
        self.severity = given if given in _WORST_FIRST else "error"
        self.tone = OVER if self.over else self.severity
        start = "Resolved:" if self.over else f"[{self.severity.upper()}]"
        self._start = f"{start} {self._source()}"
        self.title = self.said("title")

    def said(self, name: str) -> str:
        """Return a field as one line; empty where there is none."""
        value = self._facts.get(name)
        return "" if value is None else label(str(value))

    def text(self, name: str) -> str:
        """Return a field as it is, with its lines; empty where it says nothing."""
        value = self._facts.get(name)
        return "" if value is None or not str(value).strip() else str(value)

    @property
    def headline(self) -> str:
        """Severity or *Resolved*, source and title, as the subject of a mail has them."""
        return f"{self._start}: {self.title}"

    @property
    def line(self) -> str:
        """The event as a list of several tells it."""
        node = self.said("node")
        where = f" · {cut(node, _LONGEST_NODE)}" if node else ""
        at = self._moment("occurredAt")
        when = f" ({at})" if at else ""
        return f"{mark(self.tone)} {self._start}: {cut(self.title, _LONGEST_TITLE)}{where}{when}"

    def urgency(self) -> tuple[bool, int]:
        """Return what sorts events: what fires before what is over, then the worst first."""
        return self.over, _WORST_FIRST.index(self.severity)

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield what a mail lists of it, by name."""
        yield "Source", self._source()
        routed = self.said("severity")
        as_other = f", routed as {routed}" if routed not in {"", self.severity} else ""
        yield "Severity", f"{self.severity}{as_other}"
        yield "Status", self.said("status")
        yield "Code", self.said("code")
        yield "Node", self.said("node")
        yield "Occurred", self._moment("occurredAt")
        yield "Received", self._moment("receivedAt")

    def labels(self) -> str:
        """Return its first labels in one line, and how many more there are."""
        given = self._facts.get("labels") or {}
        told = [
            f"{cut(label(str(name)), LONGEST_LABEL)}={cut(label(str(value)), LONGEST_LABEL)}"
            for name, value in list(given.items())[:MOST_LABELS]
        ]
        if len(given) > MOST_LABELS:
            told.append(f"{count(len(given) - MOST_LABELS, 'more label')} {MORE}")
        return " · ".join(told)

    def _source(self) -> str:
        given = self.said("source")
        return TITLES[Row(given)] if given in set(Row) else given

    def _moment(self, name: str) -> str:
        given = self.said(name)
        try:
            return moment(datetime.fromisoformat(given), seconds=True)
        except ValueError:
            return given
