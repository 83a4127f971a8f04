"""What runs: the processes that may own a lane, and the dispatch passes."""

from __future__ import annotations

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.kinds import RunCause, RunState
from app.extensions import Model
from app.models.columns import GROWING, Key, MaybeId, MaybeTime, Time, Word

_OPEN = text("state IN ('queued', 'running')")


class Process(Model):
    """A process as the kernel knows it, so that the leases of a dead one are found at once.

    `place` names the boot and the pid namespace: only a process of the same place can tell whether
    `pid` with `started` (clock ticks since boot) still lives.
    """

    __tablename__ = "processes"
    __table_args__ = GROWING

    id: Mapped[Key]
    role: Mapped[str] = mapped_column(String(24))
    place: Mapped[str] = mapped_column(String(200))
    pid: Mapped[int]
    started: Mapped[str] = mapped_column(String(32))
    began_at: Mapped[Time]
    seen_at: Mapped[Time]


class DispatchRun(Model):
    """One run of the Post Failure Notification job (S1)."""

    __tablename__ = "dispatch_runs"
    __table_args__ = (
        # Serves: the claim of a queued run, and whether one is running.
        Index("dispatch_runs_open", "state", sqlite_where=_OPEN, postgresql_where=_OPEN),
        GROWING,
    )

    id: Mapped[Key]
    cause: Mapped[RunCause] = mapped_column(Word(RunCause))
    state: Mapped[RunState] = mapped_column(Word(RunState))
    created_at: Mapped[Time]
    started_at: Mapped[MaybeTime]
    finished_at: Mapped[MaybeTime]
    owner_id: Mapped[MaybeId]
    considered: Mapped[int]
    notified: Mapped[int]
    held: Mapped[int]
    skipped: Mapped[int]
    failed: Mapped[int]
    error: Mapped[str | None] = mapped_column(Text)
