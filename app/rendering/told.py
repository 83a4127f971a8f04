"""What a mail about failures tells: plain values, read when the delivery is claimed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.kinds import Direction, Kind, Why


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


@dataclass(frozen=True)
class FailureMail:
    """A mail about failures of one direction of an integration, the most important one first.

    `failures` holds at least one; `total` counts those beyond them too. `since` and `occurrences`
    tell of the episode: its start, and its failures in a row. `recovered_at`: it works again since.
    `now` is the time of the attempt. `references` are the Message-IDs of earlier mails.
    """

    delivery_id: str
    message_id: str
    references: tuple[str, ...]
    integration: str
    system1: str
    system2: str
    direction: Direction
    kind: Kind
    why: Why
    why_text: str
    prefix: str
    include_trace: bool
    failures: tuple[FailureLine, ...]
    total: int
    since: datetime | None
    occurrences: int | None
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    link: str
    settings_link: str
    public_url: str
    now: datetime
    notes: tuple[str, ...] = ()
    recovered_at: datetime | None = None
