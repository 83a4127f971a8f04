"""Reads what claimed deliveries need, in a few statements however many they are."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, or_, select

from app.domain.kinds import (
    DeliveryKind,
    Direction,
    FailureState,
    Kind,
    RecipientState,
)
from app.domain.silence import Quiet
from app.models import (
    DeliveryItem,
    DeliveryRecipient,
    Failure,
    Integration,
    IntegrationDirection,
    Registration,
    RegistrationDirection,
    Trace,
)
from app.rendering.failures import FEW
from app.services.deliver.claims import Claimed
from app.services.deliver.outages import Outage, outages_of

MOST_LISTED = 200
TRACE_HEAD = 16 * 1024

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
    select(_NUMBERED.c.delivery_id, _NUMBERED.c.total, Failure.__table__, Trace.lines)
    .join(Failure, Failure.id == _NUMBERED.c.failure_id)
    .outerjoin(Trace, Trace.hash == Failure.trace_hash)
    .where(_NUMBERED.c.place <= MOST_LISTED)
    .order_by(_NUMBERED.c.delivery_id, _NUMBERED.c.place)
)
_TRACES = select(Trace.hash, Trace.body).where(Trace.hash.in_(bindparam("hashes", expanding=True)))
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
_ACTIVITY = (
    select(
        IntegrationDirection.integration_id,
        IntegrationDirection.direction,
        IntegrationDirection.active,
        IntegrationDirection.activated_at,
        IntegrationDirection.last_activity_at,
        IntegrationDirection.episode_since,
        Registration.registered_at,
    )
    .join(Registration, Registration.integration_id == IntegrationDirection.integration_id)
    .where(IntegrationDirection.integration_id.in_(_IDS))
)


@dataclass(frozen=True)
class Told:
    """A failure or event that a delivery tells, with the head of its trace where it is shown."""

    row: Any
    trace: str | None


_OF_DIRECTIONS = {DeliveryKind.INACTIVITY, DeliveryKind.RECOVERY}
_Way = tuple[int | None, Direction | None]


@dataclass(frozen=True)
class Found:
    """What was read for a batch: failures and verdicts by delivery, settings by direction.

    `events` are those that routed mail tells (see found_events), by delivery.
    """

    told: Mapping[int, Sequence[Told]]
    known: Mapping[int, Mapping[str, RecipientState]]
    registered: Mapping[_Way, Any]
    quiet: Mapping[_Way, Quiet] = field(default_factory=dict)
    failing_since: Mapping[_Way, datetime | None] = field(default_factory=dict)
    outages: Mapping[int, Outage] = field(default_factory=dict)
    events: Mapping[int, Sequence[Told]] = field(default_factory=dict)


def find(connection: Connection, claims: Sequence[Claimed]) -> Found:
    """Read what `claims` tell, whom, and by which settings of this moment."""
    kinds = {claimed.kind for claimed in claims}
    rows = _directions(connection, claims) if kinds & _OF_DIRECTIONS else []
    return Found(
        told=_failures(connection, claims),
        known=_known(connection, claims),
        registered=_registrations(connection, claims),
        quiet={(row.integration_id, row.direction): _quiet(row) for row in rows},
        failing_since={(row.integration_id, row.direction): row.episode_since for row in rows},
        outages=outages_of(connection, claims) if DeliveryKind.FALLBACK in kinds else {},
    )


def unpacked(body: bytes, most: int) -> str | None:
    """Return the first `most` bytes of a stored trace; None: it cannot be unpacked.

    A trace that is damaged must not keep the mail.
    """
    try:
        raw = zlib.decompressobj().decompress(body, most)
    except zlib.error:
        return None
    return raw.decode("utf-8", "replace")


def traces(connection: Connection, hashes: Sequence[bytes], most: int) -> dict[bytes, str | None]:
    """Read the first `most` bytes of each trace."""
    if not hashes:
        return {}
    rows = connection.execute(_TRACES, {"hashes": list(hashes)})
    return {row.hash: unpacked(row.body, most) for row in rows}


def _failures(connection: Connection, claims: Sequence[Claimed]) -> dict[int, list[Told]]:
    """Read the first failures of each delivery, the latest first."""
    rows = connection.execute(_TOLD, {"ids": [claimed.id for claimed in claims]}).all()
    shown = {row.trace_hash for row in rows if row.trace_hash is not None and row.total <= FEW}
    heads = traces(connection, sorted(shown), TRACE_HEAD)
    told: dict[int, list[Told]] = defaultdict(list)
    for row in rows:
        told[row.delivery_id].append(Told(row, heads.get(row.trace_hash)))
    return told


def _known(
    connection: Connection, claims: Sequence[Claimed]
) -> dict[int, dict[str, RecipientState]]:
    known: dict[int, dict[str, RecipientState]] = defaultdict(dict)
    for row in connection.execute(_KNOWN, {"ids": [claimed.id for claimed in claims]}):
        known[row.delivery_id][row.address] = row.state
    return known


def _integrations(claims: Sequence[Claimed]) -> dict[str, list[int | None]]:
    return {"ids": list({claimed.integration_id for claimed in claims})}


def _registrations(connection: Connection, claims: Sequence[Claimed]) -> dict[_Way, Any]:
    """Read the settings of each direction; where backward has the same, those of forward."""
    rows = connection.execute(_REGISTERED, _integrations(claims)).all()
    found: dict[_Way, Any] = {(row.integration_id, row.direction): row for row in rows}
    for row in rows:
        if row.same_for_backward and row.direction is Direction.FORWARD:
            found[(row.integration_id, Direction.BACKWARD)] = row
    return found


def _directions(connection: Connection, claims: Sequence[Claimed]) -> Sequence[Any]:
    return connection.execute(_ACTIVITY, _integrations(claims)).all()


def _quiet(row: Any) -> Quiet:
    return Quiet(row.active, row.registered_at, row.activated_at, row.last_activity_at, told=False)
