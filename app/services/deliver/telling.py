"""What a mail tells: the rows that were read become the value that is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from app.clock import to_micros, utc_now
from app.domain.kinds import DeliveryKind, Direction, Kind, LaneState, Why
from app.domain.registration import Recipients
from app.domain.silence import Quiet
from app.rendering.mail import (
    EventMail,
    FailureLine,
    FailureMail,
    FallbackMail,
    InactivityMail,
    Mail,
    RecoveryMail,
)
from app.services.deliver.claims import Claimed
from app.services.deliver.event_facts import event_facts
from app.services.deliver.found import Told
from app.services.deliver.outages import Outage


@dataclass(frozen=True)
class Subject:
    """What a registration's mail is about: its settings, whom it is for, the failures it tells."""

    registered: Any
    people: Recipients
    told: Sequence[Told] = ()
    total: int = 0
    quiet: Quiet | None = None
    notes: tuple[str, ...] = field(default=())


def kind_of(delivery: DeliveryKind) -> Kind:
    """Return which recipients a mail of the registration is for."""
    return Kind.PROCESSING if delivery is DeliveryKind.DIGEST else Kind.GLOBAL


@dataclass(frozen=True)
class Teller:
    """Writes mails for one system: `url` leads to this installation, `sender` is the system's."""

    url: str
    system_id: int
    sender: str

    def mail(self, claimed: Claimed, about: Subject) -> Mail:
        """Return the mail of `claimed`, by its kind."""
        if claimed.kind is DeliveryKind.INACTIVITY:
            # After its end, where the direction stands now says nothing of the silence.
            quiet = about.quiet if claimed.recovered_at is None else None
            return self._inactivity(claimed, about, quiet)
        if claimed.kind is DeliveryKind.RECOVERY:
            return self._recovery(claimed, about)
        return self._failures(claimed, about)

    def fallback(self, claimed: Claimed, people: Recipients, outage: Outage) -> FallbackMail:
        """Return the message that the system of `outage` cannot deliver."""
        row = outage.row
        works = row.state is not LaneState.RETRYING
        system = f"{self.url}/systems/{quote(row.name, safe='')}"
        return FallbackMail(
            delivery_id=str(claimed.id),
            message_id=claimed.message_id or self._named(claimed),
            references=(),
            sender=self.sender,
            to=people.to,
            cc=people.cc,
            link=system,
            settings_link=system,
            public_url=self.url,
            now=utc_now(),
            failing_system=row.name,
            since=claimed.episode_since or row.since,
            waiting=outage.waiting,
            reason=row.error_text or claimed.why_text,
            recovered_at=row.since if works else None,
        )

    def event(self, claimed: Claimed, people: Recipients, told: Sequence[Told]) -> EventMail:
        """Return the mail about a routed event, or a batch of them."""
        first, alone = told[0].row, len(told) == 1
        return EventMail(
            delivery_id=str(claimed.id),
            message_id=claimed.message_id or self._named(claimed),
            references=self._same(first.dedup_key) if alone else (),
            sender=self.sender,
            to=people.to,
            cc=people.cc,
            link=f"{self.url}/events/{first.id}"
            if alone
            else f"{self.url}/deliveries/{claimed.id}",
            settings_link=f"{self.url}/routing/",
            public_url=self.url,
            now=utc_now(),
            why_text=claimed.why_text,
            **event_facts(told),
        )

    def _failures(self, claimed: Claimed, about: Subject) -> FailureMail:
        kind, first = kind_of(claimed.kind), about.told[-1].row
        included = about.registered.include_error_trace
        digits = first.identity.hex()[:12]
        thread = (*self._thread(claimed), self._id(f"failure.{first.id}", digits))
        return FailureMail(
            **self._shared(claimed, about, f"/failures/{kind}/{first.id}"),
            message_id=claimed.message_id or self._id(str(claimed.id), digits),
            references=thread if kind is Kind.GLOBAL else thread[-1:],
            kind=kind,
            why=Why(claimed.why),
            include_trace=included,
            failures=tuple(_line(item, included=included) for item in about.told),
            total=max(about.total, len(about.told)),
            since=claimed.episode_since,
            occurrences=claimed.occurrences,
            recovered_at=claimed.recovered_at,
        )

    def _inactivity(self, claimed: Claimed, about: Subject, quiet: Quiet | None) -> InactivityMail:
        return InactivityMail(
            **self._shared(claimed, about, _integration(about)),
            message_id=claimed.message_id or self._named(claimed),
            references=self._thread(claimed),
            last_activity_at=quiet.last_activity if quiet else None,
            silent_since=claimed.silent_since or claimed.created_at,
            limit_minutes=claimed.limit_minutes or 1,
            recovered_at=claimed.recovered_at,
        )

    def _recovery(self, claimed: Claimed, about: Subject) -> RecoveryMail:
        return RecoveryMail(
            **self._shared(claimed, about, _integration(about)),
            message_id=claimed.message_id or self._named(claimed),
            references=self._thread(claimed),
            since=claimed.episode_since or claimed.created_at,
            recovered_at=claimed.recovered_at or claimed.created_at,
            was_silent=not claimed.occurrences,
            occurrences=claimed.occurrences or None,
        )

    def _shared(self, claimed: Claimed, about: Subject, path: str) -> dict[str, Any]:
        """Return what every mail of a registration has."""
        row = about.registered
        return {
            "delivery_id": str(claimed.id),
            "integration": row.name,
            "system1": row.system1,
            "system2": row.system2,
            "direction": claimed.direction or Direction.FORWARD,
            "why_text": claimed.why_text,
            "prefix": row.subject_prefix,
            "sender": self.sender,
            "to": about.people.to,
            "cc": about.people.cc,
            "link": f"{self.url}{path}",
            "settings_link": f"{self.url}/integrations/{row.integration_id}/notification",
            "public_url": self.url,
            "now": utc_now(),
            "notes": about.notes,
        }

    def _thread(self, claimed: Claimed) -> tuple[str, ...]:
        """Return the id that the mails of one episode refer to, so that they stand together."""
        if claimed.episode_since is None:
            return ()
        name = f"episode.{claimed.integration_id}.{claimed.direction}"
        return (self._id(name, f"{to_micros(claimed.episode_since):x}"),)

    def _same(self, dedup_key: str | None) -> tuple[str, ...]:
        """Return the id that the mails of one dedupKey refer to: opening, repeats and resolve."""
        if dedup_key is None:
            return ()
        digits = blake2b(f"{self.url}\0{dedup_key}".encode(), digest_size=12).hexdigest()
        return (self._id("event", digits),)

    def _named(self, claimed: Claimed) -> str:
        return self._id(str(claimed.id), f"{to_micros(claimed.created_at):x}")

    def _id(self, name: str, mark: str) -> str:
        """Return a Message-ID; `mark` tells installations apart."""
        return f"<tocsin.{name}.{mark}@{self.sender.rpartition('@')[2]}>"


def _integration(about: Subject) -> str:
    return f"/integrations/{about.registered.integration_id}"


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
