"""Jumps of the wall clock: whoever notices one audits it once, and all processes hold for it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypedDict
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, select

from app import clock
from app.models import Preference
from app.services import audit
from app.services.installation import Installation
from app.services.sql import insert_missing, patiently
from app.storage import Store

log = logging.getLogger(__name__)

ROW = "_clock"
# A change that is worth writing down, so that small ones never add up to a jump.
DRIFT_SECONDS = 1.0
MOST_MACHINES = 16


class Standing(TypedDict):
    """How the clocks of one boot of a machine stand.

    The wall clock is `ahead` of the steady one by so many seconds, and counts as unsteady up to
    the steady time `until`.
    """

    ahead: float
    until: float


Clocks = dict[str, Standing]
_known: WeakKeyDictionary[Store, Clocks] = WeakKeyDictionary()


def watch(site: Installation) -> bool:
    """Compare this machine's clock with what it was; returns whether clocks are steady.

    After a jump, of this clock or of another machine's on the same database, nothing expires for
    ten minutes (delivery.md, Clocks); so it is for one that fell between two starts of the server.
    One small SELECT, and a transaction when the clock was set. Raises StorageUnavailable.
    """
    here, ahead = _machine(), clock.ahead()
    with site.store.reading() as connection:
        there = _stored(connection)
    if here not in there or abs(there[here]["ahead"] - ahead) > DRIFT_SECONDS:
        there = patiently(lambda: _note(site, here))
    clock.hold(there[here]["until"])
    before = _known.get(site.store, {})
    if any(_has_jumped(before[machine], there.get(machine)) for machine in before):
        clock.hold(clock.steady() + clock.HOLD_SECONDS)
    _known[site.store] = there
    return not clock.unsteady()


def _machine() -> str:
    """Return this boot of this machine, in which monotonic times are comparable."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{socket.gethostname()} {boot}"


def _stored(connection: Connection) -> Clocks:
    value = connection.scalar(select(Preference.value).where(Preference.name == ROW))
    return dict(value) if isinstance(value, Mapping) else {}


def _has_jumped(before: Standing, now: Standing | None) -> bool:
    return now is not None and abs(now["ahead"] - before["ahead"]) > clock.JUMP_SECONDS


def _note(site: Installation, here: str) -> Clocks:
    """Write down how this clock stands; whoever is the first after a jump audits it."""
    table, now = Preference.__table__, clock.utc_now()
    with site.store.writing() as connection:
        insert_missing(connection, table, [{"name": ROW, "value": {}, "updated_at": now}])
        connection.execute(select(table.c.name).where(table.c.name == ROW).with_for_update())
        clocks = _stored(connection)
        # Looked at again, as another may have noted a jump since this process looked first.
        mine = Standing(ahead=clock.ahead(), until=0.0)
        before = clocks.pop(here, mine)
        jump = mine["ahead"] - before["ahead"]
        mine["until"] = before["until"]
        if _has_jumped(before, mine):
            mine["until"] = clock.steady() + clock.HOLD_SECONDS
            _audit(connection, here, jump)
        kept = dict([*clocks.items(), (here, mine)][-MOST_MACHINES:])
        connection.execute(
            table.update().where(table.c.name == ROW).values(value=kept, updated_at=now)
        )
    if _has_jumped(before, mine):
        _warn(jump)
    return kept


def _warn(jump: float) -> None:
    log.warning(
        "The clock of this machine was set %s by %s; nothing expires and nothing is pruned for ten "
        "minutes, sending goes on.",
        "forward" if jump > 0 else "back",
        timedelta(seconds=round(abs(jump))),
    )


def _audit(connection: Connection, here: str, jump: float) -> None:
    now = clock.utc_now()
    before = {"time": (now - timedelta(seconds=jump)).isoformat(timespec="seconds")}
    after = {"time": now.isoformat(timespec="seconds"), "seconds": round(jump)}
    audit.record(connection, "clock", "jump", "clock", here.partition(" ")[0], before, after)
