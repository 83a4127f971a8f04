"""What a mail tells: plain values, read when the delivery is claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.event_kinds import EventStatus, Received, Severity, Source
from app.domain.kinds import Direction, Kind, Why


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What every mail has: who gets it, what it follows, and where to look.

    `now` is the time of the attempt. `references` are the Message-IDs of earlier mails. `notes` say
    what else is to be known. `settings_link` leads to what the mail comes from: the registration,
    or, for a mail about a system, that system.
    """

    delivery_id: str
    message_id: str
    references: tuple[str, ...]
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    link: str
    settings_link: str
    public_url: str
    now: datetime
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DirectionMail(Envelope):
    """A mail about one direction of an integration, sent since `why_text`."""

    integration: str
    system1: str
    system2: str
    direction: Direction
    prefix: str
    why_text: str


@dataclass(frozen=True)
class FailureLine:
    """One failure row; `count` is for life.

    `trace` is the head of a trace that has `trace_lines` lines in all (as str.splitlines counts).
    """

    id: str
    error_code: str | None
    message: str
    count: int
    first_at: datetime
    last_at: datetime
    entity_type: str | None
    entity_id: str | None
    project: str | None
    retry_count: int | None
    max_retry_count: int | None
    accessible: bool
    trace: str | None
    trace_lines: int


@dataclass(frozen=True, kw_only=True)
class FailureMail(DirectionMail):
    """Failures of one direction of an integration, the most important one first.

    `failures` holds at least one; `total` counts those beyond them too. `since` and `occurrences`
    tell of the episode: its start, and its failures in a row. `recovered_at`: it works again since.
    Without `include_trace` nothing of a trace is told, and nothing attached.
    """

    kind: Kind
    why: Why
    include_trace: bool
    failures: tuple[FailureLine, ...]
    total: int
    since: datetime | None
    occurrences: int | None
    recovered_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class InactivityMail(DirectionMail):
    """A direction without activity for longer than `limit_minutes`.

    `silent_since` is where the clock started; `last_activity_at` None: there never was any (not
    told of a silence that is over). `recovered_at`: it works again since.
    """

    last_activity_at: datetime | None
    silent_since: datetime
    limit_minutes: int
    recovered_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RecoveryMail(DirectionMail):
    """A direction that works again after an episode which began at `since` and had been told.

    `was_silent`: the episode was a silence, else `occurrences` failures in a row, of which the last
    one was `error` (one line).
    """

    since: datetime
    recovered_at: datetime
    was_silent: bool
    occurrences: int | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class TestMail(Envelope):
    """A test that `requested_by` asked for, of a registration (`integration`) or of a system alone.

    `server` is host:port as text. `unsaved`: it was sent with values that nobody has saved yet.
    """

    __test__ = False  # pytest would take it for a test

    system_name: str
    server: str
    integration: str | None
    requested_by: str
    unsaved: bool
    prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class FallbackMail(Envelope):
    """A system that cannot deliver, told through the system that stands in for it.

    `reason` is the last error in plain words. `recovered_at`: it works again since.
    """

    failing_system: str
    since: datetime
    waiting: int
    reason: str
    recovered_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class EventLine:
    """One event, as a list of several tells it."""

    title: str
    source: Source
    received: Received
    status: EventStatus
    node: str | None
    occurred_at: datetime


@dataclass(frozen=True, kw_only=True)
class EventMail(Envelope):
    """An event that the routing matrix sends to a mail system, since `why_text`.

    `reported_link` is the reporter's own, to a place that we do not know. `trace` is the head of a
    trace that has `trace_lines` lines in all; no lines: there is none. `resolved_at`: when a later
    event of the same key came that resolves it. A batch that is sent again by mail has `others` as
    well, all but the most important one; `total` counts those beyond them.
    """

    title: str
    source: Source
    severity: Severity
    received: Received
    status: EventStatus
    node: str | None
    description: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    reported_link: str | None
    occurred_at: datetime
    received_at: datetime
    why_text: str
    trace: str | None = None
    trace_lines: int = 0
    resolved_at: datetime | None = None
    others: tuple[EventLine, ...] = ()
    total: int = 1


Mail = FailureMail | InactivityMail | RecoveryMail | TestMail | FallbackMail | EventMail
