"""A system as it is configured at the moment at which something is sent through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy import bindparam, select

from app.channels import channel
from app.channels.base import Channel
from app.domain.pacing import Windows
from app.models import Lane, System
from app.secrets import Secret
from app.services.installation import Installation

# Built once, as every look at a lane asks for it.
_OF_LANE = (
    select(System.id, System.kind, System.options, System.secrets)
    .join(Lane, Lane.system_id == System.id)
    .where(Lane.id == bindparam("lane_id"))
)


@dataclass(frozen=True)
class Endpoint:
    """The system of a lane as it is now; its secrets are opened when it is dialled."""

    id: int
    lane_id: int
    channel: Channel
    options: Any
    sealed: Mapping[str, str]

    def secrets(self, site: Installation) -> dict[str, Secret]:
        """Return the secrets; raises DecryptionFailed."""
        return {name: site.vault.open(value) for name, value in self.sealed.items()}

    @property
    def windows(self) -> Windows:
        """How many messages its service takes in a while; none: as many as come."""
        windows: Windows = getattr(self.channel, "pace", ())
        return windows

    @property
    def longest(self) -> float:
        """The seconds that one attempt may take."""
        return self.channel.longest(self.options)


def endpoint(site: Installation, lane_id: int) -> Endpoint | None:
    """Read the system of a lane as it is configured now; None: there is no such lane."""
    with site.store.reading() as connection:
        row = connection.execute(_OF_LANE, {"lane_id": lane_id}).first()
    if row is None:
        return None
    spoken = channel(row.kind)
    options: BaseModel = spoken.options.model_validate(row.options)
    sealed = {name: secret["sealed"] for name, secret in row.secrets.items()}
    return Endpoint(row.id, lane_id, spoken, options, sealed)
