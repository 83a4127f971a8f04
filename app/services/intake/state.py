"""The working set of one intake transaction: rows as plain objects, changed in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.kinds import DeliveryKind, Direction, FailureState, Kind
from app.domain.notifying import Decision, Rules, When

HISTORY = 20


@dataclass
class Lines:
    """Where a direction stands, with what its integration and registration say."""

    id: int
    integration_id: int
    integration_key: str
    max_retry_count: int
    direction: Direction
    active: bool
    last_activity_at: datetime | None
    last_failure_at: datetime | None
    count: int
    occurrences: int
    episode: int
    episode_since: datetime | None
    rules: Rules | None = None
    system_id: int | None = None
    lane_id: int | None = None
    dirty: bool = False


@dataclass(eq=False)
class FailureRow:
    """A failure of an integration, as it is and as it will be written; `id` None: new."""

    identity: bytes
    kind: Kind
    integration_id: int
    direction_id: int
    direction: Direction
    error_code: str | None
    message: str
    entity_type: str | None
    entity_id: str | None
    project: str | None
    first_logged_at: datetime
    last_logged_at: datetime
    id: int | None = None
    state: FailureState = FailureState.OPEN
    accessible: bool = True
    count: int = 0
    retry_count: int | None = None
    max_retry_count: int | None = None
    total_retry_count: int | None = None
    trace_hash: bytes | None = None
    episode: int = 0
    told_episode: int | None = None
    told_delivery_id: int | None = None
    notified_at: datetime | None = None
    notified_delivery_id: int | None = None
    decision: dict[str, object] | None = None
    told_by: DeliveryRow | None = None
    decided_by: DeliveryRow | None = None
    dirty: bool = False


@dataclass(eq=False)
class DeliveryRow:
    """A mail to be: new (`id` None), or one that waits for the pass and is joined."""

    kind: DeliveryKind
    integration_id: int
    direction: Direction
    system_id: int
    lane_id: int
    why: str
    why_text: str
    reported_at: datetime
    at_once: bool
    episode_since: datetime | None
    occurrences: int | None
    id: int | None = None
    items: dict[bytes, FailureRow] = field(default_factory=dict)

    def tell(self, failure: FailureRow) -> None:
        """Add `failure` to what this mail tells, once."""
        self.items[failure.identity] = failure


@dataclass(frozen=True)
class TraceRow:
    """A trace, compressed."""

    hash: bytes
    body: bytes
    size: int
    lines: int


WaitingKey = tuple[int, Direction, DeliveryKind]
Rows = dict[bytes, FailureRow]
# In the place of a mail's id: no mail, so that all rows are read.
ALL = 0


@dataclass
class Batch:
    """Everything that one transaction has read and will write.

    `load_episode` reads the open global failures of a direction when an episode ends or is told;
    with the id of a mail, only those that it does not tell yet. Three indexes find open rows:
    `entities` those of an entity, `globals` those of a direction, and `untold`, of these, the ones
    that the waiting mail may lack.
    """

    now: datetime
    repeat_interval: timedelta
    directions: dict[tuple[str, Direction], Lines]
    failures: dict[bytes, FailureRow] = field(default_factory=dict)
    entities: dict[tuple[int, str | None], Rows] = field(default_factory=dict)
    globals: dict[int, Rows] = field(default_factory=dict)
    untold: dict[int, Rows] = field(default_factory=dict)
    cycles: set[tuple[int, str, int]] = field(default_factory=set)
    failed_cycles: set[tuple[int, str]] = field(default_factory=set)
    new_cycles: list[tuple[int, str, int]] = field(default_factory=list)
    waiting: dict[WaitingKey, DeliveryRow] | None = None
    traces: dict[bytes, TraceRow] = field(default_factory=dict)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    load_waiting: Callable[[], dict[WaitingKey, DeliveryRow]] = dict
    load_episode: Callable[[Lines, int], None] = lambda _lines, _mail_id: None

    def keep(self, row: FailureRow) -> None:
        """Add a row that was read, unless it is there already and may have changed since."""
        if self.failures.setdefault(row.identity, row) is row and row.state is FailureState.OPEN:
            self.opened(row)

    def opened(self, row: FailureRow) -> None:
        """Let an open row be found."""
        if row.kind is Kind.GLOBAL:
            self.globals.setdefault(row.direction_id, {})[row.identity] = row
            self.untold.setdefault(row.direction_id, {})[row.identity] = row
        else:
            key = (row.direction_id, row.entity_id)
            self.entities.setdefault(key, {})[row.identity] = row

    def waiting_mail(self, lines: Lines, kind: DeliveryKind) -> DeliveryRow | None:
        """Return the mail of this direction that waits for the pass and may still be joined."""
        if self.waiting is None:
            self.waiting = self.load_waiting()
        return self.waiting.get((lines.integration_id, lines.direction, kind))

    def episode_rows(self, lines: Lines) -> list[FailureRow]:
        """Return the open global failures of the direction's current episode."""
        self.load_episode(lines, ALL)
        return _of_episode(self.globals.get(lines.id, {}), lines)

    def rows_to_tell(self, lines: Lines, reported: FailureRow) -> list[FailureRow]:
        """Return what the mail that waits is to tell now: `reported`, and what it lacks.

        To be called once for a threshold: what is returned counts as told.
        """
        mail = self.waiting_mail(lines, DeliveryKind.FAILURE)
        self.load_episode(lines, (mail and mail.id) or ALL)
        rows = _of_episode(self.untold.pop(lines.id, {}), lines)
        missing = (row for row in rows if mail is None or not _tells(mail, row))
        return [reported, *(row for row in missing if row is not reported)]

    def new_mail(self, lines: Lines, kind: DeliveryKind, decision: Decision) -> DeliveryRow:
        """Add a mail of the direction's registration."""
        assert lines.system_id is not None and lines.lane_id is not None  # noqa: S101
        mail = DeliveryRow(
            kind=kind,
            integration_id=lines.integration_id,
            direction=lines.direction,
            system_id=lines.system_id,
            lane_id=lines.lane_id,
            why=decision.reason,
            why_text=decision.text,
            reported_at=self.now,
            at_once=decision.when is When.AT_ONCE,
            episode_since=lines.episode_since if kind is DeliveryKind.FAILURE else None,
            occurrences=lines.occurrences if kind is DeliveryKind.FAILURE else None,
        )
        self.deliveries.append(mail)
        if not mail.at_once:
            assert self.waiting is not None  # noqa: S101 - read before the mail was found missing
            self.waiting[(lines.integration_id, lines.direction, kind)] = mail
        return mail


def _of_episode(rows: Rows, lines: Lines) -> list[FailureRow]:
    return [
        row
        for row in rows.values()
        if row.state is FailureState.OPEN and row.episode == lines.episode
    ]


def _tells(mail: DeliveryRow, row: FailureRow) -> bool:
    """Whether `mail` is the last one that was decided for `row`, and in the row's episode."""
    if row.told_episode != row.episode:
        return False
    if row.told_by is not None:
        return row.told_by is mail
    return mail.id is not None and row.told_delivery_id == mail.id


def note(row: FailureRow, decision: Decision, now: datetime, mail: DeliveryRow | None) -> None:
    """Store `decision` on `row`, the one before it in the history (delivery.md, Decisions)."""
    last = row.decision
    history = list(last.get("history", [])) if last else []  # type: ignore[call-overload]
    if last:
        history.append({key: last[key] for key in ("at", "reason", "text")})
    row.decision = {
        "at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": decision.outcome,
        "reason": decision.reason,
        "text": decision.text,
        "delivery": None,
        "history": history[-HISTORY:],
    }
    row.decided_by, row.dirty = mail, True
