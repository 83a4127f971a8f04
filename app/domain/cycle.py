"""Which run of a direction was the last one: what *last cycle* means in Error Management (S1).

A run may be named by its `cycleId`. Without one it goes on until something ends it: activity, which
says that it went through, or a global failure, which stopped it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True)
class Cycle:
    """A run of a direction: its first report, and the one that ended it, where there was one."""

    id: str | None
    since: datetime
    ended_at: datetime | None


def follow(last: Cycle | None, cycle_id: str | None, at: datetime, *, ends: bool) -> Cycle:
    """Return the last cycle after a report of `cycle_id` at `at`; `ends`: the run is over with it.

    A late report of an earlier cycle changes nothing. Idempotent.
    """
    if last is None:
        return Cycle(cycle_id, at, at if ends else None)
    if not _is_of(last, cycle_id, at):
        return last if at < last.since else Cycle(cycle_id, at, at if ends else None)
    named = cycle_id is not None and cycle_id == last.id
    since = min(last.since, at) if named else last.since
    ended_at = max(last.ended_at or at, at) if ends else last.ended_at
    return replace(last, id=last.id or cycle_id, since=since, ended_at=ended_at)


def _is_of(last: Cycle, cycle_id: str | None, at: datetime) -> bool:
    """Whether a report belongs to the last cycle; one without a name, until that was ended."""
    if cycle_id is not None and last.id is not None:
        return cycle_id == last.id
    return last.since <= at and (last.ended_at is None or at <= last.ended_at)
