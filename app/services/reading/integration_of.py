"""One integration by its id, as mails link to it: what it is, its registration, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from app.domain.kinds import Kind
from app.errors import NotFound
from app.models import Integration, Registration, System
from app.services import configuring
from app.services.bulk_rows import ALREADY, missing, standing
from app.services.installation import Installation
from app.services.integrations import INTEGRATIONS
from app.services.named import version
from app.services.reading import failures
from app.services.reading.failures import FailureDocument, FailureQuery
from app.services.registrations import REGISTRATIONS
from app.services.systems import MAIL_KINDS
from app.shapes import parse

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """An integration: `document` as the API says it; `registered`: its registration, or None.

    `former` are the settings with which it was unregistered, since `unregistered_at`. `version` is
    that of the integration, `registration_version` that of its registration, None: there is none.
    """

    id: int
    key: str
    name: str
    document: Document
    registered: Document | None
    former: Document | None
    version: str
    registration_version: str | None
    unregistered_at: Any = None

    @property
    def bidirectional(self) -> bool:
        """Whether it runs both ways."""
        return bool(self.document["bidirectional"])


@dataclass(frozen=True)
class Preview:
    """What a bulk registration of some integrations would do; skipped: key and reason."""

    total: int
    registered: int
    skipped: Sequence[tuple[str, str]]


def of(site: Installation, integration_id: int) -> Found:
    """Return the integration of this id; raises NotFound."""
    with site.store.viewing() as session:
        row = session.get(Integration, integration_id)
        if row is None:
            raise NotFound(f"There is no integration {integration_id}.")
        key, name = row.key, row.name
        mine = select(Registration).where(Registration.integration_id == integration_id)
        stored = session.scalar(mine)
        settings = None if stored is None else dict(REGISTRATIONS.body(session, stored))
        active = stored is not None and stored.active
        since = None if stored is None else stored.unregistered_at
        settings_version = version(stored) if stored is not None and stored.active else None
    saved = configuring.get(INTEGRATIONS, site, key)
    return Found(
        id=integration_id,
        key=key,
        name=name,
        document=saved.document,
        registered=settings if active else None,
        former=None if active else settings,
        version=saved.version,
        registration_version=settings_version,
        unregistered_at=None if active else since,
    )


def id_of(site: Installation, key: str) -> int:
    """Return the id of the integration of `key`; raises NotFound."""
    with site.store.reading() as connection:
        found = connection.scalar(select(Integration.id).where(Integration.key == key))
    if found is None:
        raise NotFound(missing(key))
    return found


def last_failures(site: Installation, key: str, kind: Kind, most: int) -> list[FailureDocument]:
    """Return the failures of one kind of an integration that were reported last."""
    wanted = {"integration": key, "kind": str(kind), "limit": str(most)}
    return failures.page(site, parse(FailureQuery, wanted)).items


def mail_systems(site: Installation) -> list[str]:
    """Return the names of the systems that mail goes out through."""
    query = select(System.name).where(System.kind.in_(MAIL_KINDS))
    with site.store.reading() as connection:
        return list(connection.scalars(query.order_by(func.lower(System.name))))


def preview(site: Installation, keys: Sequence[str]) -> Preview:
    """Return what registering `keys` in bulk would do now; reads only."""
    with site.store.reading() as connection:
        found = {row.key: row.active for row in standing(connection, keys)}
    skipped = [
        (key, ALREADY if key in found else missing(key)) for key in keys if found.get(key, True)
    ]
    return Preview(len(keys), len(keys) - len(skipped), skipped)
