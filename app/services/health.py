"""How the installation is: what /healthz and /readyz tell, by a few small queries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from weakref import WeakKeyDictionary

from pydantic import Field
from sqlalchemy import Connection, func, select

from app.clock import monotonic, utc_now
from app.errors import StorageUnavailable
from app.models import Preference, Process
from app.services import waiting
from app.services.documents import Document
from app.services.installation import Installation
from app.services.sql import insert
from app.services.waiting import Waiting
from app.storage import Store

log = logging.getLogger(__name__)

FRESH_SECONDS = 10.0
PROBE_SECONDS = 5.0
SEEN = timedelta(seconds=60)
PROBE_ROW = "_probe"
UNKNOWN = "unknown, as the database cannot be read"


class Alive(Document):
    """Whether this process can write; `warning` is there only while there is one."""

    status: Literal["ok", "failing"]
    warning: str | None = Field(default=None, exclude_if=lambda value: value is None)


class Check(Document):
    """One check with its figure; `required`: without it the answer is 503."""

    ok: bool
    required: bool
    value: float | None
    unit: str
    text: str


class Readiness(Document):
    """Every check of the installation; `status` is ok when all of them are."""

    status: Literal["ok", "failing"]
    checks: dict[str, Check] = Field(
        description="database, disk, redis, worker, scheduler, oldestWaiting"
    )

    @property
    def serves(self) -> bool:
        """Whether every required check is well."""
        return all(check.ok for check in self.checks.values() if check.required)


_probes: WeakKeyDictionary[Store, _Probe] = WeakKeyDictionary()


class _Probe:
    """Writes one row to see whether writing works; at most once in 5 s a process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = threading.Lock()
        self._last: float | None = None

    def run(self) -> None:
        """Probe, unless that was done just now or is being done."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            if self._last is None or monotonic() - self._last >= PROBE_SECONDS:
                self._last = monotonic()
                self._write()
        finally:
            self._turn.release()

    def _write(self) -> None:
        row = {"name": PROBE_ROW, "value": None, "updated_at": utc_now()}
        try:
            with self._store.writing() as connection:
                statement = insert(connection, Preference.__table__).values(row)
                wanted = {"updated_at": row["updated_at"]}
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["name"], set_=wanted)
                )
        except StorageUnavailable as error:
            log.warning("The write probe failed: %s", error)


def alive(site: Installation) -> Alive:
    """Return whether this process has committed anything within 10 s; probes where it has not."""
    if not _fresh(site.store):
        _probes.setdefault(site.store, _Probe(site.store)).run()
    room = site.store.room
    warning = f"The disk is nearly full: {room.sentence}." if room.low else None
    return Alive(status="ok" if _fresh(site.store) else "failing", warning=warning)


def _fresh(store: Store) -> bool:
    last = store.last_commit
    return last is not None and monotonic() - last < FRESH_SECONDS


def readiness(site: Installation) -> Readiness:
    """Return every check; never raises StorageUnavailable, it is one of the answers."""
    checks = {**_database(site), "disk": _disk(site.store), "redis": _redis(site)}
    order = ("database", "disk", "redis", "worker", "scheduler", "oldestWaiting")
    well = all(check.ok for check in checks.values())
    return Readiness(
        status="ok" if well else "failing", checks={name: checks[name] for name in order}
    )


def _database(site: Installation) -> Mapping[str, Check]:
    began, now = monotonic(), utc_now()
    try:
        with site.store.reading() as connection:
            seen = _seen(connection)
            left = waiting.everywhere(connection)
    except StorageUnavailable as error:
        log.warning("The database cannot be read: %s", error)
        return _no_database()
    took = (monotonic() - began) * 1000
    return {
        "database": _check(True, took, "ms", f"answered in {took:.1f} ms", required=True),
        "worker": _process("worker", seen, now),
        "scheduler": _process("scheduler", seen, now),
        "oldestWaiting": _oldest(left, now),
    }


def _disk(store: Store) -> Check:
    """Return the room of the disk; not required, as reading and sending go on without it."""
    room = store.room
    return _check(not room.low, room.free, "MB", room.sentence)


def _no_database() -> Mapping[str, Check]:
    unknown = _check(False, None, "s", UNKNOWN)
    return {
        "database": _check(False, None, "ms", "cannot be read; its log tells more", required=True),
        "worker": unknown,
        "scheduler": unknown,
        "oldestWaiting": _check(True, None, "s", UNKNOWN),
    }


def _seen(connection: Connection) -> Mapping[str, datetime]:
    # Of a process that ended before the clock was set back nothing is known any more.
    believed = Process.seen_at < utc_now() + SEEN
    query = select(Process.role, func.max(Process.seen_at)).where(believed).group_by(Process.role)
    return dict(connection.execute(query).all())


def _process(role: str, seen: Mapping[str, datetime], now: datetime) -> Check:
    if role not in seen:
        return _check(False, None, "s", f"no {role} has been seen")
    age = now - seen[role]
    # A clock that was set back must not keep a dead process alive.
    well = -SEEN < age < SEEN
    seconds = max(age.total_seconds(), 0.0)
    return _check(well, seconds, "s", f"seen {seconds:.0f} s ago")


def _oldest(left: Waiting, now: datetime) -> Check:
    if left.oldest_at is None:
        return _check(True, 0.0, "s", "nothing waits")
    seconds = max((now - left.oldest_at).total_seconds(), 0.0)
    return _check(True, seconds, "s", f"{left.count:,} wait, the oldest for {seconds:.0f} s")


def _redis(site: Installation) -> Check:
    seconds = site.alarm.alive()
    if seconds is None:
        return _check(False, None, "ms", "does not answer; workers look every 15 s instead")
    return _check(True, seconds * 1000, "ms", f"answered in {seconds * 1000:.1f} ms")


def _check(ok: Any, value: float | None, unit: str, text: str, *, required: bool = False) -> Check:
    shown = None if value is None else round(value, 3)
    return Check(ok=bool(ok), required=required, value=shown, unit=unit, text=text)
