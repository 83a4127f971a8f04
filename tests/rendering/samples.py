"""Mails to render, and what a mail program makes of the bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser
from typing import Any

from app.domain.event_kinds import EventStatus, Received, Severity, Source
from app.domain.kinds import Direction, Kind, Why
from app.rendering.mail import (
    Attachment,
    EventLine,
    EventMail,
    FailureLine,
    FailureMail,
    FallbackMail,
    InactivityMail,
    Mail,
    RecoveryMail,
    TestMail,
    render,
)

NOW = datetime(2026, 11, 3, 10, 46, 5, tzinfo=UTC)
STARTED = NOW - timedelta(hours=2, minutes=14)
TRACE = "TraceError: refused\n" + "\n".join(f"\tat step.Runner.run(Step{n})" for n in range(351))

LINE = FailureLine(
    id="81",
    error_code="AUTH_401",
    message="Login refused",
    count=7,
    first_at=STARTED,
    last_at=NOW - timedelta(minutes=1),
    entity_type=None,
    entity_id=None,
    project=None,
    retry_count=None,
    max_retry_count=None,
    accessible=True,
    trace=TRACE,
    trace_lines=352,
)
MAIL = FailureMail(
    delivery_id="4711",
    message_id="<4711@tocsin.example.org>",
    references=(),
    integration="Orders EU",
    system1="Jira",
    system2="ServiceNow",
    direction=Direction.FORWARD,
    kind=Kind.GLOBAL,
    why=Why.COUNT_REACHED,
    why_text="The global failure count reached 3.",
    prefix="[PROD]",
    include_trace=True,
    failures=(LINE,),
    total=1,
    since=STARTED,
    occurrences=3,
    sender="tocsin@example.org",
    to=("ops@example.org",),
    cc=(),
    link="https://tocsin.example.org/failures/global/81",
    settings_link="https://tocsin.example.org/integrations/12/notification",
    public_url="https://tocsin.example.org",
    now=NOW,
)


def failing(**changes: Any) -> FailureMail:
    """Return the mail about a global failure, changed."""
    return replace(MAIL, **changes)


def line(**changes: Any) -> FailureLine:
    """Return a failure, changed."""
    return replace(LINE, **changes)


def bug(number: int, **changes: Any) -> FailureLine:
    """Return the processing failure of one entity."""
    facts: dict[str, Any] = {
        "entity_type": "Bug",
        "entity_id": f"WEB-{number}",
        "error_code": "FIELD_REQUIRED",
    }
    facts |= {"retry_count": 3, "max_retry_count": 3, "project": "WEB"}
    return line(**(facts | changes))


def digest(*failures: FailureLine, **changes: Any) -> FailureMail:
    """Return the digest of processing failures."""
    facts: dict[str, Any] = {"kind": Kind.PROCESSING, "why": Why.RETRIES_EXHAUSTED, "since": None}
    facts |= {"occurrences": None, "failures": failures, "total": len(failures)}
    return failing(**(facts | changes))


HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(1)><!-- ",
    "\"><a href='javascript:alert(1)'>x</a>",
    "{{ 7 * 7 }} {% include 'x' %} {# #} ${7*7} %(x)s {0}",
    "x" * 4_000,
    "a" + "\u0301" * 1_000,
    "\u202egpj.exe \u2066 \u202b",
    "\ud800 \udfff lone",
    "a\x00b\x1b[2Jc\x07",
    "👩‍👩‍👧‍👦" * 500,
    "\n" * 3_999,
    "]]>&lt;&amp;&#x27;",
    "",
    "   ",
    "-- \r\n.\r\nQUIT",
]
ENVELOPE: dict[str, Any] = {
    "delivery_id": "4711",
    "message_id": "<4711@tocsin.example.org>",
    "references": (),
    "sender": "tocsin@example.org",
    "to": ("ops@example.org",),
    "cc": (),
    "link": "https://tocsin.example.org/integrations/12",
    "settings_link": "https://tocsin.example.org/integrations/12/notification",
    "public_url": "https://tocsin.example.org",
    "now": NOW,
}
ABOUT: dict[str, Any] = {
    "integration": "Orders EU",
    "system1": "Jira",
    "system2": "ServiceNow",
    "direction": Direction.FORWARD,
    "prefix": "[PROD]",
    "why_text": "No activity for longer than 2 hours.",
}


def silent(**changes: Any) -> InactivityMail:
    """Return the mail about a direction without activity, changed."""
    facts = {"last_activity_at": STARTED, "silent_since": STARTED, "limit_minutes": 120}
    return InactivityMail(**(ENVELOPE | ABOUT | facts | changes))


def recovered(**changes: Any) -> RecoveryMail:
    """Return the mail about a direction that works again after failures, changed."""
    facts: dict[str, Any] = {
        "since": STARTED,
        "recovered_at": NOW - timedelta(minutes=4),
        "was_silent": False,
        "occurrences": 7,
        "error": "AUTH_401 Login refused",
        "why_text": "Activity returned after a mail about this episode.",
        "references": ("<4710@tocsin.example.org>",),
    }
    return RecoveryMail(**(ENVELOPE | ABOUT | facts | changes))


def trial(**changes: Any) -> TestMail:
    """Return the test mail of a registration, changed."""
    facts: dict[str, Any] = {
        "prefix": "[PROD]",
        "system_name": "Office mail",
        "server": "smtp.example.org:587",
        "integration": "Orders EU",
        "requested_by": "alice@example.org",
        "unsaved": False,
    }
    return TestMail(**(ENVELOPE | facts | changes))


def standing_in(**changes: Any) -> FallbackMail:
    """Return the mail about a system that cannot deliver, changed."""
    facts: dict[str, Any] = {
        "failing_system": "Office mail",
        "since": STARTED,
        "waiting": 14,
        "reason": "Connection refused by smtp.example.org:587. "
        "Is the server running, and is the port right?",
        "link": "https://tocsin.example.org/systems/3/lane",
        "settings_link": "https://tocsin.example.org/systems/3",
    }
    return FallbackMail(**(ENVELOPE | facts | changes))


def routed(**changes: Any) -> EventMail:
    """Return the mail about an event of a cell of the matrix, changed."""
    facts: dict[str, Any] = {
        "title": "The disk is full",
        "source": Source.METRICS,
        "severity": Severity.ERROR,
        "received": Received.ERROR,
        "status": EventStatus.FIRING,
        "node": "db-7",
        "description": "98 % of /var are used.\n\nWrites fail from 100 % on.",
        "labels": {"env": "prod", "region": "eu"},
        "reported_link": "https://grafana.example.org/d/disk",
        "occurred_at": NOW - timedelta(minutes=1),
        "received_at": NOW - timedelta(seconds=3),
        "why_text": "The cell Metrics / error names it.",
        "link": "https://tocsin.example.org/events/9001",
        "settings_link": "https://tocsin.example.org/systems/",
    }
    return EventMail(**(ENVELOPE | facts | changes))


def over(**changes: Any) -> EventMail:
    """Return the mail about an event that ends what another one told, changed."""
    return routed(**({"status": EventStatus.RESOLVED} | changes))


def another(number: int, **changes: Any) -> EventLine:
    """Return a further event of a batch, changed."""
    facts: dict[str, Any] = {"title": f"Event {number}", "source": Source.NODES, "node": None}
    facts |= {"received": Received.WARNING, "status": EventStatus.FIRING, "occurred_at": STARTED}
    return EventLine(**(facts | changes))


def batch(*others: EventLine, **changes: Any) -> EventMail:
    """Return the mail about several events, of which `routed` is the most important."""
    return routed(**({"others": others, "total": 1 + len(others)} | changes))


class Opened:
    """A mail as a mail program opens it; raises AssertionError for bytes that need mending."""

    def __init__(self, mail: Mail, attachments: tuple[Attachment, ...] = ()) -> None:
        self.rendered = render(mail, attachments)
        self.body = self.rendered.body
        self.message = message_from_bytes(self.body, policy=default)
        assert [part.defects for part in self.message.walk() if part.defects] == []
        self.text, self.html = self._part("plain"), self._part("html")
        self.page = Page(self.html)

    def _part(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")

    @property
    def names(self) -> list[str]:
        """The names of the headers in their order."""
        return self.message.keys()

    @property
    def seen(self) -> str:
        """Everything that a reader sees: subject, text and the words of the HTML."""
        return "\n".join((str(self.message["Subject"]), self.text, self.page.words))


class Page(HTMLParser):
    """The elements, attributes and words of an HTML part; asserts that elements nest."""

    VOID = ("meta", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words += data

    def values(self, name: str) -> list[str | None]:
        """Return the values of all attributes of this name."""
        return [value for found, value in self.attributes if found == name]
