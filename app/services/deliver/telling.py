"""What a mail tells: the rows that were read become the value that is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.clock import utc_now
from app.domain.kinds import DeliveryKind, Direction, Kind, Why
from app.domain.registration import Recipients
from app.rendering.mail import FailureLine, FailureMail
from app.services.deliver.claims import Claimed


@dataclass(frozen=True)
class Told:
    """A failure row that a delivery tells, with the head of its trace."""

    row: Any
    trace: str | None


@dataclass(frozen=True)
class Teller:
    """Writes mails for one system: `url` leads to this installation, `sender` is the system's."""

    url: str
    system_id: int
    sender: str

    def mail(
        self,
        claimed: Claimed,
        registered: Any,
        people: Recipients,
        told: Sequence[Told],
        total: int,
    ) -> FailureMail:
        """Return the mail of `claimed` to `people`; `told` are the first of `total` failures."""
        kind = Kind.PROCESSING if claimed.kind is DeliveryKind.DIGEST else Kind.GLOBAL
        first = told[-1].row
        included = registered.include_error_trace
        return FailureMail(
            delivery_id=str(claimed.id),
            message_id=claimed.message_id or self._id(str(claimed.id), first),
            references=(self._id(f"failure.{first.id}", first),),
            integration=registered.name,
            system1=registered.system1,
            system2=registered.system2,
            direction=claimed.direction or Direction.FORWARD,
            kind=kind,
            why=Why(claimed.why),
            why_text=claimed.why_text,
            prefix=registered.subject_prefix,
            include_trace=included,
            failures=tuple(_line(item, included=included) for item in told),
            total=max(total, len(told)),
            since=claimed.episode_since,
            occurrences=claimed.occurrences,
            sender=self.sender,
            to=people.to,
            cc=people.cc,
            link=f"{self.url}/failures/{kind}/{first.id}",
            settings_link=f"{self.url}/integrations/{registered.integration_id}/notification",
            public_url=self.url,
            now=utc_now(),
        )

    def _id(self, name: str, first: Any) -> str:
        """Return a Message-ID; the failure's identity tells installations apart."""
        return f"<tocsin.{name}.{first.identity.hex()[:12]}@{self.sender.rpartition('@')[2]}>"


def _line(item: Told, *, included: bool) -> FailureLine:
    row = item.row
    return FailureLine(
        id=str(row.id),
        error_code=row.error_code,
        message=row.message,
        count=row.count,
        first_at=row.first_logged_at,
        last_at=row.last_logged_at,
        entity_type=row.entity_type,
        entity_id=row.entity_id,
        project=row.project,
        retry_count=row.retry_count,
        max_retry_count=row.max_retry_count,
        accessible=row.accessible,
        trace=item.trace if included else None,
        trace_lines=(row.lines or 0) if included else 0,
    )
