"""The processes that may own a lane: who they are, and whether they still live."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.clock import unsteady, utc_now
from app.models import Process
from app.services.installation import Installation
from app.services.sql import insert_returning

SILENCE = timedelta(minutes=5)


def place() -> str:
    """Return the boot and pid namespace of this process; pids are comparable only within it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"


def start_of(pid: int) -> str | None:
    """Return when process `pid` started (clock ticks since boot), or None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def register(site: Installation, role: str) -> int:
    """Add this process and return its id; one short transaction."""
    now = utc_now()
    row = {
        "role": role,
        "place": place(),
        "pid": os.getpid(),
        "started": start_of(os.getpid()) or "",
        "began_at": now,
        "seen_at": now,
    }
    with site.store.writing(durable=False) as connection:
        return insert_returning(connection, Process.__table__, [row])[0]


def beat(site: Installation, process_id: int) -> None:
    """Note that this process lives; asked for every 10 s."""
    table = Process.__table__
    with site.store.writing(durable=False) as connection:
        connection.execute(table.update().where(table.c.id == process_id).values(seen_at=utc_now()))


def dead_owners(site: Installation, owners: set[int]) -> set[int]:
    """Return those of `owners` that live no more.

    Of this place the kernel knows at once; one of another place is dead after 5 silent minutes,
    which nobody can tell while the clock is unsteady.
    """
    if not owners:
        return set()
    here, silent = place(), utc_now() - SILENCE
    with site.store.reading() as connection:
        rows = connection.execute(
            select(Process.id, Process.place, Process.pid, Process.started, Process.seen_at).where(
                Process.id.in_(owners)
            )
        ).all()
    told = not unsteady()
    return {row.id for row in rows if _is_dead(row, here, silent if told else None)}


def _is_dead(row: Any, here: str, silent: datetime | None) -> bool:
    if row.place == here:
        return bool(start_of(row.pid) != row.started)
    return silent is not None and bool(row.seen_at < silent)
