"""The manner of mail: it follows the dispatch pass, and has no retry policy (delivery.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.channels.base import ChannelError
from app.domain.kinds import LaneState, RecipientState
from app.services.deliver import content
from app.services.deliver.claims import Claimed, take
from app.services.deliver.content import MailJob
from app.services.deliver.ended import Ended
from app.services.deliver.endpoint import Endpoint
from app.services.deliver.traces import with_pdf
from app.services.deliver.unsent import end_without_sending
from app.services.installation import Installation
from app.services.lanes import Lease


class Mails:
    """Implements Manner."""

    def take(self, site: Installation, lease: Lease) -> list[Claimed]:
        """Lease what is due."""
        return take(site, lease)

    def load(
        self, site: Installation, system: Endpoint, claims: Sequence[Claimed]
    ) -> list[MailJob]:
        """Read what is told, and whom."""
        return content.load(site, system, claims)

    def fresh(self, site: Installation, system: Endpoint, job: MailJob) -> MailJob:
        """Return a mail as it is now."""
        return content.fresh(site, system, job)

    def drawn(self, site: Installation, job: MailJob, keep: Callable[[], bool]) -> MailJob | None:
        """Return a mail with its PDF."""
        return with_pdf(site, job, keep)

    def end_without_sending(self, site: Installation, lease: Lease, job: MailJob) -> None:
        """End or move a mail that has nothing to say, or nobody to say it to."""
        end_without_sending(site, lease, job)

    def goes_on(self, lease: Lease, ended: Ended) -> tuple[Lease, bool]:
        """A server that fails ends the ownership; one that took something works again."""
        outcome = ended.outcome
        if isinstance(outcome, ChannelError):
            return lease, not (outcome.endpoint and ended.stands)
        if lease.state is not LaneState.RETRYING:
            return lease, True
        if any(verdict.state is RecipientState.ACCEPTED for verdict in outcome.recipients):
            return replace(lease, state=LaneState.NORMAL), True
        return lease, False

    def settle(self, site: Installation, lease: Lease, *, drained: bool) -> None:
        """Leave it: the pass goes on with what waits."""
