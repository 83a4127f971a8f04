"""The manner of lanes with a retry policy (S2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from app.channels.base import Receipt
from app.clock import utc_now
from app.domain.kinds import EndReason, LaneState, Policy
from app.services import outbox
from app.services.deliver.ended import Ended
from app.services.deliver.endpoint import Endpoint
from app.services.installation import Installation
from app.services.lanes import Lease
from app.services.posts import content
from app.services.posts.content import PostJob
from app.services.posts.expiry import expire
from app.services.posts.settling import settle
from app.services.posts.taking import Post, take
from app.services.sql import patiently

_GONE = "The events that it tells are not there any more: they were deleted, or are too old."


class Posts:
    """Implements Manner."""

    def take(self, site: Installation, lease: Lease) -> list[Post]:
        """Lease what goes now."""
        return take(site, lease)

    def load(self, site: Installation, system: Endpoint, claims: Sequence[Post]) -> list[PostJob]:
        """Read what is told."""
        return content.load(site, system, claims)

    def fresh(self, site: Installation, system: Endpoint, job: PostJob) -> PostJob:
        """Return a message as it is now."""
        return content.fresh(site, system, job)

    def drawn(self, site: Installation, job: PostJob, keep: Callable[[], bool]) -> PostJob | None:
        """Return it as it is: nothing is drawn for it."""
        return job

    def end_without_sending(self, site: Installation, lease: Lease, job: PostJob) -> None:
        """End a message that is too old, or has nothing to tell any more."""
        patiently(partial(_end, site, lease, job))

    def goes_on(self, lease: Lease, ended: Ended) -> tuple[Lease, bool]:
        """Return the lane as the end of an attempt makes it, and whether more is sent now.

        While its endpoint does not answer, one message was tried for all. A success ends that.
        """
        outcome = ended.outcome
        if isinstance(outcome, Receipt):
            if ended.probe:
                return replace(lease, state=LaneState.FLUSHING, held_id=None), True
            return lease, True
        if lease.blocked or (outcome.endpoint and lease.policy is not Policy.NONE):
            return lease, False
        if lease.state is LaneState.NORMAL:
            lease = replace(lease, state=LaneState.RETRYING, held_id=None)
        return lease, True

    def settle(self, site: Installation, lease: Lease, *, drained: bool) -> None:
        """Store what is out of retries, and end a flush that is over."""
        settle(site, lease, drained=drained)


def _end(site: Installation, lease: Lease, job: PostJob) -> None:
    now = utc_now()
    with site.store.writing(durable=False) as connection:
        outbox.unclaim(connection, job.claimed.id, lease.token)
        if job.late:
            expire(connection, site, lease.lane_id, now, thoroughly=True)
        else:
            outbox.bury(connection, job.claimed.id, EndReason.REJECTED, _GONE, now)
