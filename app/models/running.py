"""What runs: processes that may own a lane, dispatch passes, jobs, and what is counted."""

from __future__ import annotations

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.kinds import JobKind, JobState, RowOutcome, RunCause, RunState
from app.extensions import Model
from app.models.columns import GROWING, Document, Key, MaybeId, MaybeTime, Time, Word
from app.storage import Id, UtcTime

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


class Job(Model):
    """A long piece of work asked for by a person; `request` is what it was asked with.

    Its rows are what it has to do; it may be killed and is then taken up where it stood.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        # Serves: the claim of a queued job, and the search for one whose worker died.
        Index("jobs_open", "state", sqlite_where=_OPEN, postgresql_where=_OPEN),
        GROWING,
    )

    id: Mapped[Key]
    kind: Mapped[JobKind] = mapped_column(Word(JobKind))
    state: Mapped[JobState] = mapped_column(Word(JobState))
    actor: Mapped[str] = mapped_column(String(200))
    request: Mapped[Document]
    total: Mapped[int]
    done: Mapped[int]
    counts: Mapped[Document]
    created_at: Mapped[Time]
    started_at: Mapped[MaybeTime]
    finished_at: Mapped[MaybeTime]
    owner_id: Mapped[MaybeId]
    error: Mapped[str | None] = mapped_column(Text)


class JobRow(Model):
    """One thing that a job has to do, in order of `place`; `outcome` null: not done yet."""

    __tablename__ = "job_rows"

    job_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(255))
    outcome: Mapped[RowOutcome | None] = mapped_column(Word(RowOutcome))
    reason: Mapped[str | None] = mapped_column(Text)


class HourlyCount(Model):
    """How often something happened in an hour; each process counts on a shard of its own."""

    __tablename__ = "hourly_counts"

    hour: Mapped[Time] = mapped_column(UtcTime, primary_key=True)
    name: Mapped[str] = mapped_column(String(48), primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]
