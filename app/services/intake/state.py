"""The working set of one intake transaction: what was read, what will be written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.kinds import DeliveryKind, Direction, FailureState, Kind
from app.domain.notifying import Decision, When
from app.services.decisions import as_document
from app.services.intake.rows import DeliveryRow, FailureRow, Lines, Standing, TraceRow

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
    joined: list[DeliveryRow] = field(default_factory=list)
    recovered: list[tuple[int, Direction, datetime]] = field(default_factory=list)
    overtaken: set[tuple[int, Direction]] = field(default_factory=set)
    standing: dict[int, Standing] = field(default_factory=dict)
    load_standing: Callable[[int], Standing] = lambda _mail_id: Standing(waits=False, sent=None)
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
            episode_since=lines.episode_since if kind is not DeliveryKind.DIGEST else None,
            occurrences=lines.occurrences if kind is not DeliveryKind.DIGEST else None,
        )
        if mail.at_once:
            self._hurry(mail)
        self.deliveries.append(mail)
        if not mail.at_once and kind is not DeliveryKind.RECOVERY:
            assert self.waiting is not None  # noqa: S101 - read before the mail was found missing
            self.waiting[(lines.integration_id, lines.direction, kind)] = mail
        return mail

    def _hurry(self, mail: DeliveryRow) -> None:
        """Let what waits and says that the direction works again go before `mail`."""
        mine = (mail.integration_id, mail.direction)
        self.overtaken.add(mine)
        for other in self.deliveries:
            if (other.integration_id, other.direction) == mine and other.recovered_at is not None:
                other.at_once = True

    def mark_recovered(self, lines: Lines, at: datetime) -> None:
        """Let what waits of the direction's episode say since when it works again."""
        # Read before the mark, so that no mail of this episode is joined by the next one.
        self.waiting_mail(lines, DeliveryKind.FAILURE)
        key = (lines.integration_id, lines.direction, DeliveryKind.FAILURE)
        mail = (self.waiting or {}).pop(key, None)
        if mail is not None and mail.id is not None:
            self.joined.append(mail)
        for new in self.deliveries:
            mine = (new.integration_id, new.direction) == key[:2]
            if mine and new.kind is DeliveryKind.FAILURE and new.recovered_at is None:
                new.recovered_at = at
        self.recovered.append((*key[:2], at))

    def decide(
        self, lines: Lines, kind: DeliveryKind, decision: Decision, mail: DeliveryRow | None
    ) -> None:
        """Keep the decision on silence or recovery of a direction, until its next one."""
        lines.decisions = {**(lines.decisions or {}), str(kind): as_document(decision, self.now)}
        lines.decided_by[str(kind)] = mail
        lines.dirty = True

    def is_sent(self, mail_id: int | None) -> bool | None:
        """Whether somebody got the mail, or may have; None: it does not go any more."""
        return None if mail_id is None else self._standing(mail_id).sent

    def waits(self, mail_id: int) -> bool:
        """Whether the mail waits, so that it is read before it is sent."""
        return self._standing(mail_id).waits

    def _standing(self, mail_id: int) -> Standing:
        if mail_id not in self.standing:
            self.standing[mail_id] = self.load_standing(mail_id)
        return self.standing[mail_id]


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
