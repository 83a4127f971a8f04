"""What /metrics tells, in Prometheus' text format, counted by the database.

Every process tells the same, as the figures are those of the installation within its retention:
they are gauges, and fall when old rows are pruned. They are counted at most every 10 s a process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, case, func, select

from app.clock import monotonic, utc_now
from app.domain.kinds import ErrorType
from app.models import Attempt, Delivery, DispatchRun, Failure, Lane, System
from app.services import waiting
from app.services.housekeeping import turns
from app.services.installation import Installation
from app.storage import Store

FRESH_SECONDS = 10.0
BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, object]
Sample = tuple[Labels, float]


class _Kept:
    """The text of the last count, and the turn to count again."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.text = ""
        self.until = 0.0


_kept: WeakKeyDictionary[Store, _Kept] = WeakKeyDictionary()


def text(site: Installation) -> str:
    """Return all metrics, at most 10 s old; raises StorageUnavailable."""
    kept = _kept.setdefault(site.store, _Kept())
    with kept.turn:
        if monotonic() >= kept.until:
            with site.store.reading() as connection:
                kept.text = "".join(_metrics(connection))
            kept.until = monotonic() + FRESH_SECONDS
        return kept.text


def _metrics(connection: Connection) -> Iterator[str]:
    yield _gauge("reports", "Failure reports of integrations.", _reports(connection))
    yield _gauge("decisions", "Failures by their current decision.", _decisions(connection))
    yield _gauge("deliveries", "Deliveries by system and state.", _deliveries(connection))
    yield from _waiting(connection)
    yield _gauge("lanes", "Lanes by state.", _lanes(connection))
    yield from _durations(connection)
    yield from _last_run(connection)
    yield from _last_prune(connection)


def _reports(connection: Connection) -> Iterable[Sample]:
    query = select(func.sum(Failure.count)).where(Failure.error_type == ErrorType.INTEGRATION)
    return [({}, float(connection.scalar(query) or 0))]


def _decisions(connection: Connection) -> Iterable[Sample]:
    outcome = Failure.decision["outcome"].as_string()
    reason = Failure.decision["reason"].as_string()
    query = (
        select(outcome, reason, func.count())
        .where(Failure.decision.is_not(None))
        .group_by(outcome, reason)
    )
    for row in connection.execute(query):
        yield {"outcome": row[0], "reason": row[1]}, row[2]


def _deliveries(connection: Connection) -> Iterable[Sample]:
    query = (
        select(System.name, Delivery.state, func.count())
        .join(System, System.id == Delivery.system_id)
        .group_by(System.name, Delivery.state)
    )
    for name, state, count in connection.execute(query):
        yield {"system": name, "state": state}, count


def _waiting(connection: Connection) -> Iterator[str]:
    left = waiting.everywhere(connection)
    age = (utc_now() - left.oldest_at).total_seconds() if left.oldest_at else 0.0
    yield _gauge("waiting", "Deliveries that wait.", [({}, left.count)])
    yield _gauge("stored", "Those that go with the next success.", [({}, left.stored)])
    yield _gauge("oldest_waiting_seconds", "Age of the oldest of them.", [({}, max(age, 0.0))])


def _lanes(connection: Connection) -> Iterable[Sample]:
    query = select(Lane.state, func.count()).group_by(Lane.state)
    found = dict(connection.execute(query).all())
    for state in ("normal", "retrying", "flushing"):
        yield {"state": state}, next((found[key] for key in found if key == state), 0)


def _durations(connection: Connection) -> Iterator[str]:
    seconds = Attempt.duration_ms / 1000.0
    counted = [func.sum(case((seconds <= bound, 1), else_=0)) for bound in BUCKETS]
    query = select(func.count(), func.sum(seconds), *counted).where(
        Attempt.duration_ms.is_not(None)
    )
    total, took, *buckets = connection.execute(query).one()
    name = "tocsin_attempt_duration_seconds"
    yield f"# HELP {name} Duration of the attempts to send.\n# TYPE {name} histogram\n"
    for bound, count in zip((*BUCKETS, "+Inf"), (*buckets, total), strict=True):
        yield _line(f"{name}_bucket", {"le": bound}, count or 0)
    yield _line(f"{name}_sum", {}, float(took or 0))
    yield _line(f"{name}_count", {}, total)


def _last_run(connection: Connection) -> Iterator[str]:
    columns = ("considered", "notified", "held", "skipped", "failed")
    query = (
        select(DispatchRun.finished_at, *(getattr(DispatchRun, name) for name in columns))
        .where(DispatchRun.finished_at.is_not(None))
        .order_by(DispatchRun.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is not None:
        finished: datetime = row.finished_at
        ended: list[Sample] = [({}, finished.timestamp())]
        yield _gauge("last_run_timestamp_seconds", "When the last dispatch pass ended.", ended)
        counts = [({"outcome": name}, getattr(row, name)) for name in columns]
        yield _gauge("last_run", "What the last dispatch pass did.", counts)


def _last_prune(connection: Connection) -> Iterator[str]:
    last = turns.last(connection)
    if last is not None:
        ended: list[Sample] = [({}, last.ended.timestamp())]
        yield _gauge("last_prune_timestamp_seconds", "When the last prune ended.", ended)
        yield _gauge("last_prune_rows", "Rows that the last prune deleted.", [({}, last.rows)])


def _gauge(name: str, what: str, samples: Iterable[Sample]) -> str:
    full = f"tocsin_{name}"
    lines = (_line(full, labels, value) for labels, value in samples)
    return f"# HELP {full} {what}\n# TYPE {full} gauge\n" + "".join(lines)


def _line(name: str, labels: Labels, value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(str(label))}"' for key, label in labels.items())
    return f"{name}{{{shown}}} {value}\n" if shown else f"{name} {value}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
