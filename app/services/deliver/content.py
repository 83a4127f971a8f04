"""What claimed deliveries say and to whom: read when claimed, rendered without a database.

Server, options and recipients are read here and nowhere earlier, so that saving a system or a
registration re-addresses what waits (product.md 5).
"""

from __future__ import annotations

import logging
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel
from sqlalchemy import BindParameter, Connection, bindparam, func, or_, select

from app.channels import channel
from app.channels.base import Channel, Outgoing
from app.clock import utc_now
from app.domain.kinds import DeliveryKind, Direction, FailureState, Kind, RecipientState
from app.domain.outcome import still_known, still_to_ask
from app.domain.registration import direction_settings
from app.models import (
    DeliveryItem,
    DeliveryRecipient,
    Failure,
    Integration,
    Registration,
    RegistrationDirection,
    System,
    Trace,
)
from app.rendering.mail import FailureMail, render
from app.secrets import Secret
from app.services.deliver.claims import Claimed
from app.services.deliver.telling import Teller, Told
from app.services.installation import Installation

log = logging.getLogger(__name__)

MOST_LISTED = 200
TRACE_HEAD = 64 * 1024


@dataclass(frozen=True)
class Endpoint:
    """The system as it is configured at this moment; its secrets are opened when it is dialled."""

    id: int
    channel: Channel
    options: Any
    sealed: Mapping[str, str]

    def secrets(self, site: Installation) -> dict[str, Secret]:
        """Return the secrets; raises DecryptionFailed."""
        return {name: site.vault.open(value) for name, value in self.sealed.items()}

    @property
    def longest(self) -> float:
        """The seconds that one attempt may take."""
        return self.channel.longest(self.options)


@dataclass(frozen=True)
class Job:
    """One delivery with all that is needed to send it.

    `mail` is complete but for the time of the attempt; `None`: it tells nothing any more, or,
    where `broken` says why, it cannot be read.
    `asked` are the recipients without a final verdict; `known` the verdicts so far of those who
    are still recipients, or have got it. `moved_to`: the registration names another system now.
    """

    claimed: Claimed
    mail: FailureMail | None
    asked: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, RecipientState] = field(default_factory=dict)
    readdressed: bool = False
    broken: str | None = None
    registered: bool = True
    moved_to: int | None = None

    def build(self) -> tuple[str, Outgoing]:
        """Return the subject and the message, as of now."""
        assert self.mail is not None  # noqa: S101 - a job without mail is never built
        rendered = render(replace(self.mail, now=utc_now()))
        return rendered.subject, Outgoing(self.mail.sender, self.asked, rendered.body)


_IDS: BindParameter[int] = bindparam("ids", expanding=True)

# What every batch needs is built once: building a statement costs more than running it.
_NUMBERED = (
    select(
        DeliveryItem.delivery_id,
        DeliveryItem.failure_id,
        func.row_number()
        .over(partition_by=DeliveryItem.delivery_id, order_by=DeliveryItem.failure_id.desc())
        .label("place"),
        func.count().over(partition_by=DeliveryItem.delivery_id).label("total"),
    )
    .join(Failure, Failure.id == DeliveryItem.failure_id)
    .where(
        DeliveryItem.delivery_id.in_(_IDS),
        # An entity that succeeded before its mail went out is left out (product.md 4).
        or_(Failure.kind == Kind.GLOBAL, Failure.state == FailureState.OPEN),
    )
    .subquery()
)
_TOLD = (
    select(_NUMBERED.c.delivery_id, _NUMBERED.c.total, Failure.__table__, Trace.body, Trace.lines)
    .join(Failure, Failure.id == _NUMBERED.c.failure_id)
    .outerjoin(Trace, Trace.hash == Failure.trace_hash)
    .where(_NUMBERED.c.place <= MOST_LISTED)
    .order_by(_NUMBERED.c.delivery_id, _NUMBERED.c.place)
)
_KNOWN = select(
    DeliveryRecipient.delivery_id, DeliveryRecipient.address, DeliveryRecipient.state
).where(DeliveryRecipient.delivery_id.in_(_IDS))
_REGISTERED = (
    select(
        RegistrationDirection.__table__,
        Integration.id.label("integration_id"),
        Integration.key,
        Integration.name,
        Integration.system1,
        Integration.system2,
        Registration.system_id,
        Registration.include_error_trace,
        Registration.same_for_backward,
    )
    .join(Registration, Registration.id == RegistrationDirection.registration_id)
    .join(Integration, Integration.id == Registration.integration_id)
    .where(Integration.id.in_(_IDS), Registration.active)
)


def endpoint(site: Installation, system_id: int) -> Endpoint:
    """Read a system as it is configured now."""
    with site.store.reading() as connection:
        row = connection.execute(
            select(System.kind, System.options, System.secrets).where(System.id == system_id)
        ).one()
    spoken = channel(row.kind)
    options: BaseModel = spoken.options.model_validate(row.options)
    sealed = {name: secret["sealed"] for name, secret in row.secrets.items()}
    return Endpoint(system_id, spoken, options, sealed)


def load(site: Installation, system: Endpoint, claims: Sequence[Claimed]) -> list[Job]:
    """Read what `claims` say, in a few statements however many they are."""
    with site.store.reading() as connection:
        told = _failures(connection, claims)
        known = _known(connection, claims)
        registered = _registrations(connection, claims)
    teller = Teller(site.settings.public_url, system.id, system.options.sender_email)
    return [
        _readable(teller, claimed, _Found(told[claimed.id], known[claimed.id], registered))
        for claimed in claims
    ]


def _failures(connection: Connection, claims: Sequence[Claimed]) -> dict[int, list[Told]]:
    """Read the first failures of each delivery, the latest first."""
    rows = connection.execute(_TOLD, {"ids": [claimed.id for claimed in claims]})
    told: dict[int, list[Told]] = defaultdict(list)
    for row in rows:
        told[row.delivery_id].append(Told(row, _head(row.body)))
    return told


def _head(body: bytes | None) -> str | None:
    """Unpack the first 64 KiB; a trace that cannot be unpacked must not keep the mail."""
    if body is None:
        return None
    try:
        raw = zlib.decompressobj().decompress(body, TRACE_HEAD)
    except zlib.error:
        return None
    return raw.decode("utf-8", "replace")


def _known(
    connection: Connection, claims: Sequence[Claimed]
) -> dict[int, dict[str, RecipientState]]:
    known: dict[int, dict[str, RecipientState]] = defaultdict(dict)
    for row in connection.execute(_KNOWN, {"ids": [claimed.id for claimed in claims]}):
        known[row.delivery_id][row.address] = row.state
    return known


_Registered = dict[tuple[int, Direction], Any]


def _registrations(connection: Connection, claims: Sequence[Claimed]) -> _Registered:
    """Read the settings of each direction; where backward has the same, those of forward."""
    ids = list({claimed.integration_id for claimed in claims})
    rows = connection.execute(_REGISTERED, {"ids": ids}).all()
    found = {(row.integration_id, row.direction): row for row in rows}
    for row in rows:
        if row.same_for_backward and row.direction is Direction.FORWARD:
            found[(row.integration_id, Direction.BACKWARD)] = row
    return found


@dataclass(frozen=True)
class _Found:
    """What was read for one delivery."""

    told: Sequence[Told]
    known: Mapping[str, RecipientState]
    registered: _Registered


def _readable(teller: Teller, claimed: Claimed, found: _Found) -> Job:
    """Return the job of a delivery; one that cannot be read must not keep the others."""
    try:
        return _job(teller, claimed, found)
    except Exception as error:
        log.exception("delivery %s cannot be read", claimed.id)
        text = f"Delivery {claimed.id} cannot be read ({type(error).__name__}); see the log."
        return Job(claimed, None, broken=text)


def _job(teller: Teller, claimed: Claimed, found: _Found) -> Job:
    direction = claimed.direction or Direction.FORWARD
    row = found.registered.get((claimed.integration_id or 0, direction))
    if row is None or not found.told:
        return Job(claimed, None, registered=row is not None)
    if row.system_id != teller.system_id:
        return Job(claimed, None, moved_to=row.system_id)
    kind = Kind.PROCESSING if claimed.kind is DeliveryKind.DIGEST else Kind.GLOBAL
    people = direction_settings(row).recipients_of(kind)
    roles = dict.fromkeys(people.cc, "cc") | dict.fromkeys(people.to, "to")
    known = still_known(tuple(roles), found.known)
    return Job(
        claimed,
        teller.mail(claimed, row, people, found.told, found.told[0].row.total),
        asked=still_to_ask((*people.to, *people.cc), known),
        roles=roles,
        known=known,
        readdressed=known.keys() != found.known.keys(),
    )
