"""Steps of sending: the verdict of one delivery and the start of the next, in one shared commit.

The attempt row is written just before its send, in the commit that also stores the verdict before
it (delivery.md, The promise); steps of all lanes of a process share their commits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, bindparam

from app.channels.base import Receipt
from app.clock import monotonic, utc_now
from app.domain.kinds import DeliveryState
from app.errors import StorageUnavailable
from app.models import Attempt, Delivery
from app.services import counts
from app.services.deliver.ended import Ended
from app.services.deliver.verdicts import store as store_mail
from app.services.group_commit import GroupCommit, fill
from app.services.hot import Hot
from app.services.installation import Installation
from app.services.lanes import Lease, renew
from app.services.posts.ends import store as store_post
from app.services.sql import patiently

MOST_STEPS = 64
WAIT_SECONDS = 30.0
# How long a verdict is kept for a database that is away; after that its mail may be sent twice.
KEPT_SECONDS = 60.0
RETRY_SECONDS = 0.5

# What every mail needs is built once: building a statement costs more than running it.
_STARTED = Hot(
    Delivery.__table__.update()
    .where(
        Delivery.id == bindparam("mail"),
        Delivery.state == DeliveryState.LEASED,
        Delivery.lease_token == bindparam("token"),
    )
    .values(
        started=True,
        attempt_count=Delivery.attempt_count + 1,
        lease_until=bindparam("until"),
        message_id=bindparam("named"),
    )
    .returning(Delivery.attempt_count)
)
_ATTEMPT = Hot(
    Attempt.__table__.insert(), "delivery_id", "number", "process_id", "started_at", "count"
)


@dataclass(frozen=True)
class Start:
    """An attempt that is about to be made; `seconds` is the longest it may take."""

    delivery_id: int
    seconds: float
    process_id: int
    message_id: str | None


@dataclass(frozen=True)
class Step:
    """What one sender has to store: how its last send ended, and which comes next."""

    lease: Lease
    ended: Ended | None = None
    start: Start | None = None
    renew: bool = False


@dataclass(frozen=True)
class Stored:
    """What came of a step: the `number` of the attempt (None: do not send), the lane still ours."""

    number: int | None
    owned: bool


_committers: WeakKeyDictionary[object, GroupCommit[Step, Stored]] = WeakKeyDictionary()


def commit(site: Installation, step: Step) -> Stored:
    """Store `step` in the next shared commit (safe against kill -9); raises StorageUnavailable."""
    committer = _committers.get(site.store)
    if committer is None:
        made = GroupCommit("steps", partial(_apply, site), MOST_STEPS)
        committer = _committers.setdefault(site.store, made)
    return committer.submit(step, WAIT_SECONDS)


def keep_trying(store: Callable[[], Stored], stopping: threading.Event) -> None:
    """Store a verdict, which nobody else knows, waiting for a database that is away.

    Raises StorageUnavailable after 60 s, and at a stop.
    """
    deadline = monotonic() + KEPT_SECONDS
    while True:
        try:
            store()
        except StorageUnavailable:
            if stopping.wait(RETRY_SECONDS) or monotonic() >= deadline:
                raise
        else:
            return


def _apply(site: Installation, steps: Sequence[Step]) -> Sequence[Stored]:
    stored, lanes = patiently(lambda: _transaction(site, steps))
    if lanes:
        site.alarm.wake(map(str, lanes))
    return stored


def _transaction(site: Installation, steps: Sequence[Step]) -> tuple[list[Stored], list[int]]:
    """Store all of `steps`; returns what came of each, and the lanes to wake after the commit."""
    now, lanes = utc_now(), list[int]()
    with site.store.writing(durable=False) as connection:
        fill(steps)
        stored = [_store(connection, site, step, now, lanes) for step in steps]
        _count(connection, steps, now)
    return stored, lanes


def _count(connection: Connection, steps: Sequence[Step], now: datetime) -> None:
    """Count what was delivered, or died; a success is known, the others are asked for."""
    ends = [step.ended for step in steps if step.ended is not None]
    known = [one for one in ends if one.tried is not None and isinstance(one.outcome, Receipt)]
    if known:
        counts.add(connection, now, {"deliveries.delivered": len(known)})
    counts.add_ended(connection, now, (one.delivery_id for one in ends if one not in known))


def _store(
    connection: Connection, site: Installation, step: Step, now: datetime, lanes: list[int]
) -> Stored:
    if step.ended is not None and step.ended.tried is not None:
        lanes += store_post(connection, site, step.lease, step.ended, now)
    elif step.ended is not None:
        lanes += store_mail(connection, step.lease, step.ended, now)
    owned = renew(connection, step.lease) if step.renew else True
    number = _begin(connection, step.lease, step.start, now) if step.start and owned else None
    return Stored(number, owned)


def _begin(connection: Connection, lease: Lease, start: Start, now: datetime) -> int | None:
    """Write the attempt row; None when the delivery is not ours any more (cancelled meanwhile)."""
    values = {
        "mail": start.delivery_id,
        "token": lease.token,
        "until": now + timedelta(seconds=start.seconds),
        "named": start.message_id,
    }
    number: int | None = _STARTED.one(connection, values)
    if number is not None:
        attempt = {
            "delivery_id": start.delivery_id,
            "number": number,
            "process_id": start.process_id,
            "started_at": now,
            "count": 1,
        }
        _ATTEMPT.run(connection, attempt)
    return number
