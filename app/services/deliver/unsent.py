"""Claimed deliveries that are not sent after all: each ends, or moves, with its reason."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from app.clock import utc_now
from app.domain.kinds import EndReason
from app.models import Delivery
from app.services import counts, outbox
from app.services.deliver.content import MailJob
from app.services.deliver.effects import complete
from app.services.installation import Installation
from app.services.lanes import Lease
from app.services.sql import patiently


def end_without_sending(site: Installation, lease: Lease, job: MailJob) -> None:
    """End or move a delivery that has nothing to send, or nobody left to send it to.

    One transaction. It cannot be read: rejected. Its registration names another system now: it
    goes there. All who are still recipients have got it: delivered. Otherwise it is cancelled.
    """
    lane_id = patiently(partial(_end, site, lease, job))
    if lane_id is not None:
        site.alarm.wake([str(lane_id)])


def _end(site: Installation, lease: Lease, job: MailJob) -> int | None:
    with site.store.writing(durable=False) as connection:
        if job.moved_to is not None:
            return outbox.move(connection, job.claimed.id, lease.token, job.moved_to)
        now = utc_now()
        _finish(connection, job, now)
        counts.add_ended(connection, now, [job.claimed.id])
    return None


def _finish(connection: Connection, job: MailJob, now: datetime) -> None:
    if job.broken is not None:
        outbox.reject(connection, job.claimed.id, job.broken, now)
    elif job.mail is not None:
        complete(connection, job.claimed.id, now)
    else:
        reason = EndReason.REMOVED if job.registered else EndReason.UNREGISTERED
        outbox.cancel_where(connection, Delivery.id == job.claimed.id, reason)
