"""How an attempt ended, and its row: the verdict is written, or folded into an equal one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, select

from app.channels.base import ChannelError, Receipt
from app.domain.kinds import RecipientState, Verdict
from app.domain.lane import Cause
from app.models import Attempt
from app.services.hot import Hot

MOST_KEPT = 8_000
_WRITTEN_COLUMNS = "verdict reason status answer transcript duration_ms last_at request".split()
_WRITTEN = Hot(
    Attempt.__table__.update()
    .where(Attempt.delivery_id == bindparam("mail"), Attempt.number == bindparam("nth"))
    .values({name: bindparam(f"{name}_") for name in _WRITTEN_COLUMNS})
)


@dataclass(frozen=True)
class Tried:
    """Why a message of a lane with a retry policy was attempted, and whether it was stored."""

    cause: Cause
    stored: bool


@dataclass(frozen=True)
class Ended:
    """How one attempt ended.

    `stands` is whether a failure of the endpoint stands for all that was due with it (not when an
    additional connection of a working lane failed). `probe`: the lane was retrying when it began,
    so that a success ends that. `unreadable`: it can never be sent as it is. `readdressed`: some
    who were asked before are no recipients any more. `tried`: of a message that is no mail.
    """

    delivery_id: int
    integration_id: int | None
    number: int
    duration_ms: int
    outcome: Receipt | ChannelError
    subject: str | None = None
    request: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, RecipientState] = field(default_factory=dict)
    stands: bool = True
    probe: bool = False
    unreadable: bool = False
    readdressed: bool = False
    tried: Tried | None = None


def note(connection: Connection, ended: Ended, now: datetime, **values: object) -> None:
    """Write the verdict on the attempt, or fold it into an equal one before it."""
    for name in ("answer", "transcript"):
        values[name] = str(values[name] or "")[:MOST_KEPT] or None
    if values["verdict"] is Verdict.FAILED and _fold(connection, ended, now, values):
        table = Attempt.__table__.c
        mine = (table.delivery_id == ended.delivery_id, table.number == ended.number)
        connection.execute(Attempt.__table__.delete().where(*mine))
        return
    values |= {"duration_ms": ended.duration_ms, "last_at": now, "request": ended.request}
    written = {f"{name}_": values[name] for name in _WRITTEN_COLUMNS}
    _WRITTEN.run(connection, {"mail": ended.delivery_id, "nth": ended.number, **written})


def _fold(
    connection: Connection, ended: Ended, now: datetime, values: Mapping[str, object]
) -> bool:
    """Count an equal failure on the attempt row before; return whether there was one.

    A verdict that is stored twice counts once: the second time its own row has one, or is gone.
    """
    table = Attempt.__table__
    mine = table.alias()
    unsaid = exists().where(
        mine.c.delivery_id == ended.delivery_id,
        mine.c.number == ended.number,
        mine.c.verdict.is_(None),
    )
    before = (
        select(table.c.number)
        .where(table.c.delivery_id == ended.delivery_id, table.c.number < ended.number)
        .order_by(table.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    done = connection.execute(
        table.update()
        .where(
            table.c.delivery_id == ended.delivery_id,
            table.c.number == before,
            table.c.verdict == Verdict.FAILED,
            table.c.reason == values["reason"],
            table.c.status == values["status"],
            table.c.answer == values["answer"],
            unsaid,
        )
        .values(
            count=table.c.count + 1,
            last_at=now,
            duration_ms=ended.duration_ms,
            transcript=values["transcript"],
        )
    )
    return bool(done.rowcount)
