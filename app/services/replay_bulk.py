"""Sending many deliveries again, as a job: those that are named, or those of a filter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from sqlalchemy import Connection, select

from app.clock import monotonic
from app.domain.kinds import FINAL_STATES, JobKind, RowOutcome
from app.errors import Conflict, Invalid, NotFound
from app.models import JobRow
from app.services import audit, jobs
from app.services.installation import Installation
from app.services.job_steps import SECONDS, Work
from app.services.jobs import Open
from app.services.paging import MAX_ID
from app.services.reading import deliveries
from app.services.reading.deliveries import DeliveryQuery
from app.services.replays import Made, follow
from app.services.sql import patiently
from app.shapes import Rule, Shape, fault

MOST_IDS = 10_000
# So many in a transaction: SQLite has one writer, which intake waits for.
CHUNK = 15
MOST_AUDITED = 100
_PAGING = {"limit", "cursor"}


def _id(value: Any) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdecimal():
        raise fault("is not an id")
    if len(value) > len(str(MAX_ID)) or int(value) > MAX_ID:
        raise fault("is not an id")
    return int(value)


DeliveryId = Annotated[int, Rule(_id, {"type": "string", "pattern": r"^\d{1,19}$"})]


class ReplayManyBody(Shape):
    """Which deliveries are sent again: those that are named, or those of a filter."""

    deliveries: list[DeliveryId] | None = Field(None, min_length=1, max_length=MOST_IDS)
    filter: DeliveryQuery | None = Field(
        None, description="As of /deliveries; its state must be delivered, dead or cancelled."
    )

    @field_validator("filter")
    @classmethod
    def _names_an_end(cls, value: DeliveryQuery | None) -> DeliveryQuery | None:
        if value is None:
            return None
        if value.model_fields_set & _PAGING:
            raise fault("must have neither limit nor cursor: all that it finds are sent again")
        if value.state not in FINAL_STATES:
            raise fault("must have a state: delivered, dead or cancelled")
        return value

    @model_validator(mode="after")
    def _asks_once(self) -> ReplayManyBody:
        if (self.deliveries is None) == (self.filter is None):
            raise fault("must have either deliveries or a filter")
        return self


def many(
    site: Installation,
    actor: str,
    which: Sequence[int] | DeliveryQuery,
    seconds: float = SECONDS,
) -> int | None:
    """Send the deliveries of these ids again, or those of a filter as of now; returns the job.

    None: there are none. Each goes through the system that it went through. What cannot be sent
    again is skipped with its reason. Up to 50 are done when this returns, unless that took
    `seconds`; otherwise a worker does them. The oldest report goes first.
    """
    until = monotonic() + seconds
    asked = which if isinstance(which, DeliveryQuery) else None
    ids = which if not isinstance(which, DeliveryQuery) else deliveries.ids(site, which)
    request: dict[str, Any] = {"filter": None}
    if asked is not None:
        request["filter"] = asked.model_dump(
            mode="json", by_alias=True, exclude=_PAGING, exclude_none=True
        )
    keys = [str(one) for one in sorted(set(ids))]
    return WORK.start(site, actor, JobKind.SEND_AGAIN, request, keys, until)


def _step(site: Installation, job: Open) -> bool:
    left, lanes = patiently(partial(_some, site, job.id))
    site.alarm.wake(sorted(lanes))
    return left


def _some(site: Installation, job_id: int) -> tuple[bool, set[str]]:
    """Do the next rows in one transaction; returns whether more are left, and the lanes to wake."""
    lanes: set[str] = set()
    with site.store.writing() as connection:
        job = jobs.opened(connection, job_id)
        if job is None:
            return False, lanes
        keys = jobs.next_keys(connection, job, CHUNK)
        skipped: dict[str, str] = {}
        for key in keys:
            made = _follow(connection, int(key), job.actor)
            if isinstance(made, Made):
                lanes.add(str(made.lane_id))
            else:
                skipped[key] = made
        left = jobs.note(connection, job, keys, skipped)
        if not left:
            _audit(connection, job)
    return left, lanes


def _follow(connection: Connection, delivery_id: int, actor: str) -> Made | str:
    """Return what follows a delivery, or why nothing does."""
    try:
        return follow(connection, delivery_id, actor)
    except Invalid as error:
        return "; ".join(one.message for one in error.faults)
    except (Conflict, NotFound) as error:
        return str(error)


def _audit(connection: Connection, job: Open) -> None:
    """Write one entry for the whole job: how many were sent again, and the first of them."""
    counts = jobs.counts_of(connection, job)
    changed = counts[RowOutcome.CHANGED]
    if not changed:
        return
    mine = select(JobRow.key).where(JobRow.job_id == job.id, JobRow.outcome == RowOutcome.CHANGED)
    first = list(connection.scalars(mine.order_by(JobRow.place).limit(MOST_AUDITED)))
    after = {"job": str(job.id), **counts, "deliveries": first, **job.request}
    name = f"{changed:,} deliveries"
    audit.record(connection, job.actor, "replay", "delivery", name, None, after)


WORK = Work(_step, _audit)
