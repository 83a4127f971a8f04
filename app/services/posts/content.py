"""What claimed deliveries of routed events say: the events as they were stored, byte for byte."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from app.channels.notice import FIRING, RESOLVED, EventPart, Notice
from app.clock import to_micros, utc_now
from app.domain.event_kinds import EventStatus
from app.models import DeliveryEvent, Event, Trace
from app.rendering.mail import Attachment
from app.services.deliver.ended import Ended, Tried
from app.services.deliver.endpoint import Endpoint
from app.services.deliver.found import unpacked
from app.services.deliver.once import Sent
from app.services.installation import Installation
from app.services.posts.expiry import oldest
from app.services.posts.taking import Post

MOST_TRACE = 1024 * 1024
_IDS: Any = bindparam("ids", expanding=True)
_TOLD: tuple[Any, ...] = (Event.id, Event.status, Event.document, Event.trace_hash)
_EVENTS = select(*_TOLD).where(Event.id.in_(_IDS))
_BATCHED = (
    select(DeliveryEvent.delivery_id, *_TOLD)
    .join(Event, Event.id == DeliveryEvent.event_id)
    .where(DeliveryEvent.delivery_id.in_(_IDS))
    .order_by(DeliveryEvent.delivery_id, DeliveryEvent.event_id)
)
_TRACES = select(Trace.hash, Trace.body).where(Trace.hash.in_(_IDS))


@dataclass(frozen=True)
class PostJob:
    """One delivery with all that is needed to send it; implements Letter.

    `notice` None: its events are not there any more. `late`: it was given up while it was claimed.
    `hashes`: the trace of each event, where any has one; it is read just before the send.
    """

    claimed: Post
    notice: Notice | None
    channel: Any
    options: Any
    late: bool = False
    hashes: tuple[bytes | None, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    traced: tuple[object, ...] = field(default=())

    @property
    def sendable(self) -> bool:
        """Whether there is something to send."""
        return self.notice is not None and not self.late

    @property
    def message_id(self) -> str | None:
        """The id that every attempt has; it is made from the row, and not kept beside it."""
        return None

    def build(self) -> tuple[None, Notice]:
        """Return the message; a routed event has no subject of its own."""
        assert self.notice is not None  # noqa: S101 - a job without it is never built
        return None, self.notice

    def noting(self, note: str) -> PostJob:
        """Return it as it is: there is nothing to leave out."""
        return self

    def request(self, message: Any) -> str:
        """Return one line about the request, without secrets."""
        return str(self.channel.describe(self.options, message))

    def ended(self, sent: Sent, **facts: Any) -> Ended:
        """Return how an attempt of it ended."""
        tried = Tried(self.claimed.cause, self.claimed.stored)
        return Ended(
            delivery_id=self.claimed.id,
            integration_id=self.claimed.integration_id,
            outcome=sent.outcome,
            request=sent.request,
            unreadable=sent.unreadable,
            tried=tried,
            **facts,
        )


def load(site: Installation, system: Endpoint, claims: Sequence[Post]) -> list[PostJob]:
    """Read what `claims` tell, in a few statements however many they are."""
    with site.store.reading() as connection:
        told = _told(connection, claims)
    url = site.settings.public_url
    return [
        _job(system, claimed, _notice(claimed, told.get(claimed.id, ()), system.lane_id, url), told)
        for claimed in claims
    ]


def _job(
    system: Endpoint, claimed: Post, notice: Notice | None, told: Mapping[int, Sequence[Any]]
) -> PostJob:
    hashes = tuple(row.trace_hash for row in told.get(claimed.id, ()))
    return PostJob(
        claimed,
        notice,
        system.channel,
        system.options,
        hashes=hashes if any(hashes) else (),
    )


def fresh(site: Installation, system: Endpoint, job: PostJob) -> PostJob:
    """Return `job` as it is now, with its traces: what is older than 3 days is not sent (S2)."""
    if job.claimed.reported_at < oldest(site, utc_now()):
        return replace(job, late=True)
    if not job.hashes or job.notice is None:
        return job
    # Read one by one: each may have a mebibyte.
    with site.store.reading() as connection:
        traces = _traces(connection, job.hashes)
    pairs = zip(job.notice.events, job.hashes, strict=True)
    events = tuple(replace(one, trace=traces.get(digest or b"")) for one, digest in pairs)
    return replace(job, notice=replace(job.notice, events=events))


def message_id(delivery_id: int, created_at: datetime) -> str:
    """Return the id of a notification, which every attempt has; other installations have others."""
    return f"msg_{delivery_id}_{to_micros(created_at):x}"


def _told(connection: Connection, claims: Sequence[Post]) -> dict[int, list[Any]]:
    told: dict[int, list[Any]] = defaultdict(list)
    alone = {claimed.event_id: claimed.id for claimed in claims if claimed.event_id is not None}
    if alone:
        by_event = {row.id: row for row in connection.execute(_EVENTS, {"ids": list(alone)})}
        for claimed in claims:
            if claimed.event_id in by_event:
                told[claimed.id].append(by_event[claimed.event_id])
    if batched := [claimed.id for claimed in claims if claimed.event_id is None]:
        for row in connection.execute(_BATCHED, {"ids": batched}):
            told[row.delivery_id].append(row)
    return told


def _traces(connection: Connection, hashes: Sequence[bytes | None]) -> Mapping[bytes, str | None]:
    wanted = sorted({digest for digest in hashes if digest is not None})
    found = connection.execute(_TRACES, {"ids": wanted})
    return {row.hash: unpacked(row.body, MOST_TRACE) for row in found}


def _notice(
    claimed: Post,
    rows: Sequence[Any],
    lane_id: int | None,
    url: str,
) -> Notice | None:
    if not rows:
        return None
    firing = any(row.status is EventStatus.FIRING for row in rows)
    return Notice(
        id=message_id(claimed.id, claimed.created_at),
        type=FIRING if firing else RESOLVED,
        subscription_id=str(lane_id),
        at=claimed.created_at,
        events=tuple(EventPart(str(row.id), row.document) for row in rows),
        link=f"{url}/deliveries/{claimed.id}",
    )
