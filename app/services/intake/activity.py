"""What a report of activity changes: the episode ends, entities are resolved, recovery is told."""

from __future__ import annotations

from datetime import datetime

from app.domain.kinds import DeliveryKind, FailureState, Kind, Outcome, Why
from app.domain.notifying import Decision
from app.domain.silence import Ended, decide_recovery, is_silent
from app.services.intake.apply import follow_cycle, lines_of, passed
from app.services.intake.reports import ActivityBody, Report, ResolvedEntity
from app.services.intake.rows import DeliveryRow, FailureRow, Lines, note
from app.services.intake.state import Batch

_LEFT_OUT = Decision(
    Outcome.SKIP,
    Why.RESOLVED_BEFORE,
    "The entity succeeded before the mail went out: it is left out.",
)


def take_activity(batch: Batch, report: Report, body: ActivityBody) -> tuple[bool, int]:
    """Note that a direction ran; returns whether it recovered, and how many entities with it."""
    lines = lines_of(batch, report)
    at = passed(batch, report, report.occurred_at)
    lines.dirty = True
    lines.last_activity_at = max(lines.last_activity_at or at, at)
    follow_cycle(lines, body.cycle_id, at, ends=True)
    resolved = sum(_resolve(batch, report, lines.id, one) for one in body.resolved_entities)
    if _is_late(batch, lines, body.cycle_id, at):
        return False, resolved
    return _end_episode(batch, lines, at), resolved


def _is_late(batch: Batch, lines: Lines, cycle_id: str | None, at: datetime) -> bool:
    """Activity of a failed cycle, or older than the last failure, ends nothing (product.md 3).

    Nor does activity so old that the direction is silent still.
    """
    if lines.last_failure_at is not None and at < lines.last_failure_at:
        return True
    limit = lines.no_activity_minutes
    silent = lines.episode_since is not None and lines.silent_episode == lines.episode
    if silent and limit is not None and is_silent(at, limit, batch.now):
        return True
    return cycle_id is not None and (lines.id, cycle_id) in batch.failed_cycles


def _end_episode(batch: Batch, lines: Lines, at: datetime) -> bool:
    recovered = lines.episode_since is not None
    if recovered:
        rows = batch.episode_rows(lines)
        for row in rows:
            row.state, row.dirty = FailureState.RESOLVED, True
        # All were read and are closed; what is reported again will be found again.
        batch.globals.pop(lines.id, None)
        _tell_recovery(batch, lines, rows, at)
    lines.count = lines.occurrences = 0
    lines.episode_since = lines.told_delivery_id = lines.told_by = None
    return recovered


def _tell_recovery(batch: Batch, lines: Lines, rows: list[FailureRow], at: datetime) -> None:
    """Mark what waits with the time since when it works again, and tell who was told (S1)."""
    ended = _ended(batch, lines, rows)
    batch.mark_recovered(lines, at)
    decision = decide_recovery(lines.rules, ended, wanted=lines.tell_recovery)
    if decision is None:
        return
    mail: DeliveryRow | None = None
    if decision.sends:
        mail = batch.new_mail(lines, DeliveryKind.RECOVERY, decision)
        mail.recovered_at = at
    batch.decide(lines, DeliveryKind.RECOVERY, decision, mail)


def _ended(batch: Batch, lines: Lines, rows: list[FailureRow]) -> Ended:
    """Return what is known of the mails of the episode: sent to somebody, or waiting whole.

    The last mail that was decided may have been cancelled, or wait: one before it may be sent.
    """
    since = lines.episode_since
    notified = batch.is_sent(_silence_mail(lines)) is True or any(
        row.notified_at is not None and since is not None and row.notified_at >= since
        for row in rows
    )
    if lines.told_by is not None and lines.told_by.id is None:
        return Ended(told=notified, waits=True)
    last = lines.told_delivery_id if lines.told_by is None else lines.told_by.id
    sent = batch.is_sent(last)
    return Ended(told=notified or sent is True, waits=sent is False)


def _silence_mail(lines: Lines) -> int | None:
    """Return the mail that told the silence of this episode."""
    if lines.silent_episode != lines.episode:
        return None
    mail_id = ((lines.decisions or {}).get(str(DeliveryKind.INACTIVITY)) or {}).get("delivery")
    return None if mail_id is None else int(mail_id)


def _resolve(batch: Batch, report: Report, direction_id: int, entity: ResolvedEntity) -> int:
    """Resolve the open failures of one entity; without a type, of any type."""
    at = passed(batch, report, report.occurred_at)
    found = [
        row
        for row in batch.entities.get((direction_id, entity.entity_id), {}).values()
        if row.state is FailureState.OPEN
        and row.kind is Kind.PROCESSING
        and entity.entity_type in (None, row.entity_type)
        and passed(batch, report, row.last_logged_at) <= at
    ]
    for row in found:
        row.state, row.dirty = FailureState.RESOLVED, True
        if _waits_untold(batch, row):
            note(row, _LEFT_OUT, batch.now, None)
    return len(found)


def _waits_untold(batch: Batch, row: FailureRow) -> bool:
    """Whether a mail that would have told the row waits, and will now leave it out."""
    if row.told_by is not None and row.told_by.id is None:
        return True
    waits = row.told_delivery_id if row.told_by is None else row.told_by.id
    return waits is not None and waits != row.notified_delivery_id and batch.waits(waits)
