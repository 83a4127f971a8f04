"""What claimed deliveries say and to whom: read when claimed, rendered without a database.

Server, options and recipients are read here and nowhere earlier, so that saving a system or a
registration re-addresses what waits (product.md 5).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.addresses import addresses
from app.channels.base import Outgoing
from app.clock import monotonic, utc_now
from app.domain.kinds import DeliveryKind, Direction, RecipientState
from app.domain.outcome import still_known, still_to_ask
from app.domain.registration import Recipients, direction_settings
from app.rendering.mail import Attachment, Mail, render
from app.services.deliver.claims import Claimed, again
from app.services.deliver.ended import Ended
from app.services.deliver.endpoint import Endpoint
from app.services.deliver.found import Found, Told, find
from app.services.deliver.found_events import told_events
from app.services.deliver.once import Sent, envelope
from app.services.deliver.telling import Subject, Teller, kind_of
from app.services.installation import Installation
from app.words import moment

log = logging.getLogger(__name__)

FRESH_SECONDS = 3.0
_OF_FAILURES = (DeliveryKind.FAILURE, DeliveryKind.DIGEST)


@dataclass(frozen=True)
class MailJob:
    """One delivery with all that is needed to send it.

    `mail` is complete but for the time of the attempt; `None`: it tells nothing any more, or,
    where `broken` says why, it cannot be read. `traced` are the failures whose traces are to go
    with it as a PDF, which `attachments` holds once it is made.
    `asked` are the recipients without a final verdict; `known` the verdicts so far of those who
    are still recipients, or have got it. `moved_to`: the registration names another system now.
    `bounces_to`: where it is returned to if it cannot be delivered; None: to its sender.
    """

    claimed: Claimed
    mail: Mail | None
    asked: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, RecipientState] = field(default_factory=dict)
    readdressed: bool = False
    broken: str | None = None
    registered: bool = True
    moved_to: int | None = None
    bounces_to: str | None = None
    traced: tuple[Told, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    read_at: float = field(default_factory=monotonic)

    @property
    def sendable(self) -> bool:
        """Whether it says something, to somebody who has not got it."""
        return self.mail is not None and bool(self.asked)

    @property
    def message_id(self) -> str | None:
        """The Message-ID, the same on every attempt."""
        return None if self.mail is None else self.mail.message_id

    def request(self, message: Outgoing) -> str:
        """Return one line about the envelope."""
        return envelope(message)

    def ended(self, sent: Sent, **facts: Any) -> Ended:
        """Return how an attempt of it ended."""
        return Ended(
            delivery_id=self.claimed.id,
            integration_id=self.claimed.integration_id,
            outcome=sent.outcome,
            subject=sent.subject,
            request=sent.request,
            roles=self.roles,
            known=self.known,
            readdressed=self.readdressed,
            unreadable=sent.unreadable,
            **facts,
        )

    def build(self) -> tuple[str, Outgoing]:
        """Return the subject and the message, as of now."""
        assert self.mail is not None  # noqa: S101 - a job without mail is never built
        rendered = render(replace(self.mail, now=utc_now()), self.attachments)
        sender = self.bounces_to or self.mail.sender
        return rendered.subject, Outgoing(sender, self.asked, rendered.body)

    def noting(self, note: str, *attachments: Attachment) -> MailJob:
        """Return the job with a further note in its mail, and `attachments` in place of others."""
        assert self.mail is not None  # noqa: S101 - as above
        notes = (*self.mail.notes, note) if note else self.mail.notes
        mail = replace(self.mail, notes=notes)
        return replace(self, mail=mail, traced=(), attachments=attachments)


def load(site: Installation, system: Endpoint, claims: Sequence[Claimed]) -> list[MailJob]:
    """Read what `claims` say, in a few statements however many they are."""
    with site.store.reading() as connection:
        found = replace(find(connection, claims), events=told_events(connection, claims))
    teller = Teller(site.settings.public_url, system.id, system.options.sender_email)
    return [_readable(system, teller, claimed, found) for claimed in claims]


def fresh(site: Installation, system: Endpoint, job: MailJob) -> MailJob:
    """Return `job` as it is now, where it was read some seconds ago.

    An entity that succeeded, or a direction that works again, since its batch was read counts.
    """
    if monotonic() - job.read_at < FRESH_SECONDS:
        return job
    with site.store.reading() as connection:
        claimed = again(connection, job.claimed)
    return load(site, system, [claimed])[0]


def _readable(system: Endpoint, teller: Teller, claimed: Claimed, found: Found) -> MailJob:
    """Return the job of a delivery; one that cannot be read must not keep the others."""
    try:
        if claimed.kind is DeliveryKind.FALLBACK:
            return _fallback(system, teller, claimed, found)
        if claimed.kind is DeliveryKind.EVENT:
            return _event(system, teller, claimed, found)
        return _of_registration(teller, claimed, found)
    except Exception as error:
        log.exception("delivery %s cannot be read", claimed.id)
        text = f"Delivery {claimed.id} cannot be read ({type(error).__name__}); see the log."
        return MailJob(claimed, None, broken=text)


def _of_registration(teller: Teller, claimed: Claimed, found: Found) -> MailJob:
    way = (claimed.integration_id, claimed.direction or Direction.FORWARD)
    row, told = found.registered.get(way), found.told.get(claimed.id, [])
    if row is None or (claimed.kind in _OF_FAILURES and not told):
        return MailJob(claimed, None, registered=row is not None)
    if row.system_id != teller.system_id:
        return MailJob(claimed, None, moved_to=row.system_id)
    people = direction_settings(row).recipients_of(kind_of(claimed.kind))
    total = told[0].row.total if told else 0
    subject = Subject(
        row,
        people,
        told,
        total,
        quiet=found.quiet.get(way),
        notes=_again(claimed, found.failing_since.get(way)),
    )
    job = _addressed(claimed, teller.mail(claimed, subject), people, found)
    traced = [item for item in told if item.row.trace_hash is not None]
    return replace(job, traced=tuple(traced) if row.include_error_trace else ())


def _again(claimed: Claimed, failing_since: datetime | None) -> tuple[str, ...]:
    """Return the note of a recovery mail whose direction fails again by now."""
    if claimed.kind is not DeliveryKind.RECOVERY or failing_since is None:
        return ()
    return (f"It fails, or is silent, again: since {moment(failing_since)}.",)


def _fallback(system: Endpoint, teller: Teller, claimed: Claimed, found: Found) -> MailJob:
    """Return the message about a failing system.

    It goes to the To Email-Id of this system, or else to that of the failing one, or else to those
    whose mail waits (docs/decisions/0009).
    """
    outage = found.outages.get(claimed.about_system_id or 0)
    if outage is None:
        return MailJob(claimed, None)
    own = addresses(system.options.to_email), addresses(system.options.cc_email)
    theirs = addresses(outage.row.options.get("toEmail") or "")
    to, cc = own if own[0] else (theirs or outage.waiting_for, [])
    people = _people(to, cc)
    if not people.to:
        text = "Neither system has a To Email-Id, and no mail waits: nobody could be told."
        return MailJob(claimed, None, broken=text)
    return _addressed(claimed, teller.fallback(claimed, people, outage), people, found)


def _event(system: Endpoint, teller: Teller, claimed: Claimed, found: Found) -> MailJob:
    """Return the mail about a routed event: to the To and CC Email-Id of the system (product.md 8).

    An event that was deleted has nothing to tell any more.
    """
    told = found.events.get(claimed.id)
    if not told:
        return MailJob(claimed, None)
    options = system.options
    people = _people(addresses(options.to_email), addresses(options.cc_email))
    if not people.to:
        text = "The system has no To Email-Id any more: the event could be told to nobody."
        return MailJob(claimed, None, broken=text)
    job = _addressed(claimed, teller.event(claimed, people, told), people, found)
    return replace(job, bounces_to=options.bounce_email or None)


def _people(to: Sequence[str], cc: Sequence[str]) -> Recipients:
    """Return whom a system writes to, each of them once."""
    return Recipients(tuple(to), tuple(one for one in cc if one not in to))


def _addressed(claimed: Claimed, mail: Mail, people: Recipients, found: Found) -> MailJob:
    """Return the job of a mail, to those of `people` who have no final verdict yet."""
    roles = dict.fromkeys(people.cc, "cc") | dict.fromkeys(people.to, "to")
    before = found.known.get(claimed.id, {})
    known = still_known(tuple(roles), before)
    return MailJob(
        claimed,
        mail,
        asked=still_to_ask((*people.to, *people.cc), known),
        roles=roles,
        known=known,
        readdressed=known.keys() != before.keys(),
    )
