"""What one report changes in the working set; all deciding is done by the domain."""

from __future__ import annotations

from datetime import datetime

from app.domain.cycle import Cycle, follow
from app.domain.identity import global_identity, processing_identity
from app.domain.kinds import DeliveryKind, FailureState, Kind
from app.domain.notifying import (
    Decision,
    GlobalFailure,
    ProcessingFailure,
    Told,
    When,
    decide_global,
    decide_processing,
)
from app.services.intake.reports import FailureBody, Report
from app.services.intake.rows import DeliveryRow, FailureRow, Lines, note
from app.services.intake.state import Batch

_TIMES = "last_activity_at last_failure_at episode_since cycle_since cycle_ended_at".split()


def identity(body: FailureBody, direction_id: int) -> bytes:
    """Return which failure row `body` belongs to."""
    if Kind(body.kind) is Kind.GLOBAL:
        return global_identity(direction_id, body.error_code, body.message)
    return processing_identity(
        direction_id, body.entity_type, body.entity_id or "", body.error_code
    )


def take_failure(batch: Batch, report: Report, body: FailureBody) -> FailureRow:
    """Count a failure, decide it, and add what it sends; returns its row."""
    lines = lines_of(batch, report)
    at = passed(batch, report, report.occurred_at)
    row = _row(batch, lines, body, at)
    row.count += 1
    row.last_logged_at = max(passed(batch, report, row.last_logged_at), at)
    row.message, row.project, row.accessible = body.message, body.project, body.accessible
    row.entity_type, row.entity_id = body.entity_type, body.entity_id
    batch.opened(row)
    follow_cycle(lines, body.cycle_id, at, ends=row.kind is Kind.GLOBAL)
    if row.kind is Kind.GLOBAL:
        _take_global(batch, lines, row, body, at)
    else:
        _take_processing(batch, lines, row, body)
    return row


def lines_of(batch: Batch, report: Report) -> Lines:
    """Return where the direction stands, its times within the clock."""
    lines = batch.directions[(report.integration_key, report.direction)]
    for name in _TIMES:
        if at := getattr(lines, name):
            setattr(lines, name, passed(batch, report, at))
    return lines


def follow_cycle(lines: Lines, cycle_id: str | None, at: datetime, *, ends: bool) -> None:
    """Note which run of the direction a report belongs to; most change nothing."""
    since = lines.cycle_since
    last = None if since is None else Cycle(lines.cycle_id, since, lines.cycle_ended_at)
    cycle = follow(last, cycle_id, at, ends=ends)
    if cycle != last:
        lines.cycle_id, lines.cycle_since, lines.cycle_ended_at = (
            cycle.id,
            cycle.since,
            cycle.ended_at,
        )
        lines.dirty = True


def passed(batch: Batch, report: Report, at: datetime) -> datetime:
    """Return `at`; a time to come, from before the clock was set back, counts as the receipt."""
    return at if at <= batch.now else min(report.received_at, batch.now)


def _row(batch: Batch, lines: Lines, body: FailureBody, at: datetime) -> FailureRow:
    key = identity(body, lines.id)
    row = batch.failures.get(key)
    if row is None:
        row = batch.failures[key] = FailureRow(
            identity=key,
            kind=Kind(body.kind),
            integration_id=lines.integration_id,
            direction_id=lines.id,
            direction=lines.direction,
            error_code=body.error_code,
            message=body.message,
            entity_type=body.entity_type,
            entity_id=body.entity_id,
            project=body.project,
            first_logged_at=at,
            last_logged_at=at,
        )
    return row


def _take_global(
    batch: Batch, lines: Lines, row: FailureRow, body: FailureBody, at: datetime
) -> None:
    counted = _count(batch, lines, at, body.cycle_id)
    row.state, row.episode = FailureState.OPEN, lines.episode
    case = GlobalFailure(
        active=lines.active,
        accessible=body.accessible,
        count=lines.count,
        counted=counted,
        told=_told(row) if row.told_episode == lines.episode else None,
    )
    decision = decide_global(lines.rules, case, batch.repeat_interval, batch.now)
    if decision.when is When.AT_ONCE:
        _tell(batch, lines, [row], decision, DeliveryKind.FAILURE)
    elif decision.when is When.WITH_PASS:
        _tell(batch, lines, batch.rows_to_tell(lines, row), decision, DeliveryKind.FAILURE)
    else:
        note(row, decision, batch.now, None)
        _join(batch, lines, row)


def _count(batch: Batch, lines: Lines, at: datetime, cycle_id: str | None) -> bool:
    """Count towards the threshold, failures of one cycle once (product.md 3)."""
    lines.dirty = True
    lines.last_failure_at = max(lines.last_failure_at or at, at)
    if lines.episode_since is None:
        lines.episode, lines.episode_since = lines.episode + 1, at
        lines.count = lines.occurrences = 0
        lines.told_delivery_id = lines.told_by = None
    if cycle_id is not None:
        key = (lines.id, cycle_id, lines.episode)
        if key in batch.cycles:
            return False
        batch.cycles.add(key)
        batch.failed_cycles.add((lines.id, cycle_id))
        batch.new_cycles.append(key)
    lines.count += 1
    lines.occurrences += 1
    return True


def _take_processing(batch: Batch, lines: Lines, row: FailureRow, body: FailureBody) -> None:
    _count_retries(row, body, lines.max_retry_count)
    case = ProcessingFailure(
        active=lines.active,
        retry_count=row.retry_count or 0,
        max_retry_count=row.max_retry_count or 0,
        told=_told(row) if row.told_episode is not None else None,
    )
    decision = decide_processing(lines.rules, case)
    if decision.sends:
        _tell(batch, lines, [row], decision, DeliveryKind.DIGEST)
    else:
        note(row, decision, batch.now, None)


def _count_retries(row: FailureRow, body: FailureBody, default_max: int) -> None:
    """Take the retry counts as given; without one, each repeat is one retry (product.md 4).

    A row that was resolved starts anew; a change of the max retry count clears `notified`.
    """
    most = default_max if body.max_retry_count is None else body.max_retry_count
    fresh = row.retry_count is None or row.state is FailureState.RESOLVED
    before = 0 if fresh else (row.retry_count or 0)
    counted = before if fresh else before + 1
    row.retry_count = counted if body.retry_count is None else body.retry_count
    gained = row.retry_count - before
    row.total_retry_count = (row.total_retry_count or 0) + (
        gained if gained >= 0 else row.retry_count
    )
    if fresh or row.max_retry_count != most:
        row.told_episode = row.told_delivery_id = None
    row.max_retry_count, row.state = most, FailureState.OPEN


def _told(row: FailureRow) -> Told:
    """Return what the row knows of the last mail that told it; one decided here still waits."""
    sent = row.told_by is None and row.notified_delivery_id == row.told_delivery_id
    return Told(row.notified_at if sent and row.notified_delivery_id is not None else None)


def _tell(
    batch: Batch, lines: Lines, rows: list[FailureRow], decision: Decision, kind: DeliveryKind
) -> None:
    """Put `rows` into a mail: the one that waits for the pass, or a new one."""
    waiting = batch.waiting_mail(lines, kind) if decision.when is When.WITH_PASS else None
    mail = waiting or batch.new_mail(lines, kind, decision)
    if kind is DeliveryKind.FAILURE:
        mail.occurrences = lines.occurrences
    for row in rows:
        mail.tell(row)
        row.told_episode, row.told_by = lines.episode, mail
        note(row, decision, batch.now, mail)
    if kind is DeliveryKind.FAILURE:
        # A failure that goes on is told after N more (product.md 3).
        lines.count, lines.told_by = 0, mail


def _join(batch: Batch, lines: Lines, row: FailureRow) -> None:
    """Let a held failure of the episode stand in the mail that waits for the pass anyway."""
    if lines.rules is None or not lines.rules.global_enabled or not lines.active:
        return
    mail: DeliveryRow | None = batch.waiting_mail(lines, DeliveryKind.FAILURE)
    if mail is not None:
        mail.tell(row)
