"""The undo of unregistering, for one integration or for many (product.md 5, Unregister)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import Field
from sqlalchemy import func, select, update

from app.clock import sleep
from app.domain.kinds import EndReason
from app.errors import Conflict, NotFound, TocsinError
from app.models import IS_CANCELLED, Audit, Delivery, Integration, Registration
from app.services import audit, configuring
from app.services.bulk_rows import ALREADY, REST_SECONDS, missing, standing
from app.services.installation import Installation
from app.services.integration_shape import Key
from app.services.integrations import lock_directions
from app.services.named import Change, Saved
from app.services.registrations import REGISTRATIONS
from app.services.restored_mail import restore_mail
from app.services.sql import among
from app.shapes import Shape

MOST_KEYS = 10_000
# So many integrations, with so many mails and failures in these, are restored in a transaction:
# 10 ms on SQLite, whose one writer intake waits for.
CHUNK, WEIGHT = 250, 300
_NEVER = "it was never registered"
Refusals = Mapping[str, tuple[type[TocsinError], str]]

_WEIGHTS = (
    select(Integration.key, func.sum(Delivery.item_count + 1).label("weight"))
    .join(Integration, Integration.id == Delivery.integration_id)
    .where(IS_CANCELLED, Delivery.reason == EndReason.UNREGISTERED)
    .group_by(Integration.key)
)


class RestoreBody(Shape):
    """Integrations that are to be registered again as they were."""

    integrations: list[Key] = Field(min_length=1, max_length=MOST_KEYS)


def one(site: Installation, actor: str, key: str) -> Saved:
    """Register `key` again as it was, and make due what unregistering it had cancelled.

    Raises NotFound where there is nothing to restore, Conflict where it is registered, or where its
    system was deleted. One transaction.
    """
    refused = configuring.run(site, actor, partial(_restore, [key]))
    if refused:
        kind, reason = refused[key]
        raise kind(f"{key!r} cannot be restored: {reason}.")
    return configuring.get(REGISTRATIONS, site, key)


def many(site: Installation, actor: str, keys: Sequence[str]) -> Mapping[str, str | None]:
    """Register all of `keys` again; returns for each, once, why it was left alone, or None.

    Short transactions; doing it again after an error goes on. Raises StorageUnavailable.
    """
    result: dict[str, str | None] = dict.fromkeys(keys)
    for some in _parts(site, list(result)):
        refused = configuring.run(site, actor, partial(_restore, some))
        result |= {key: reason for key, (_, reason) in refused.items()}
        sleep(REST_SECONDS)
    return result


def _parts(site: Installation, keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut `keys` so that no transaction has too much to do."""
    for start in range(0, len(keys), CHUNK):
        some = keys[start : start + CHUNK]
        with site.store.reading() as connection:
            query = _WEIGHTS.where(among(connection, Integration.key, some))
            weights = {row.key: row.weight for row in connection.execute(query)}
        part: list[str] = []
        weight = 0
        for key in some:
            weight += weights.get(key, 0)
            if part and weight > WEIGHT:
                yield part
                part, weight = [], weights.get(key, 0)
            part.append(key)
        yield part


def _restore(keys: Sequence[str], change: Change) -> Refusals:
    """Restore in the transaction of `change` what can be; returns the others with the reason."""
    session = change.session
    connection = session.connection()
    found = standing(connection, keys)
    refused = dict(_refused(change, keys, found))
    ids = [row.id for row in found if row.key not in refused]
    if ids:
        lock_directions(session, *ids)
        mail = restore_mail(connection, ids, change.now)
        back = {"active": True, "unregistered_at": None, "updated_at": change.now}
        rows = update(Registration.__table__).where(
            among(connection, Registration.integration_id, ids)
        )
        connection.execute(rows.values(back))
        lanes = sorted({str(lane) for lane, at_once in mail if at_once})
        change.afterwards.append(lambda: change.site.alarm.wake(lanes))
        _audit(change, [key for key in keys if key not in refused], len(mail))
    return refused


def _refused(
    change: Change, keys: Sequence[str], found: Sequence[Any]
) -> Iterator[tuple[str, tuple[type[TocsinError], str]]]:
    there = {row.key: row for row in found}
    without = [row.key for row in found if row.registration_id is None]
    former = _former_systems(change, without) if without else {}
    for key in keys:
        row = there.get(key)
        if row is None:
            yield key, (NotFound, missing(key))
        elif row.active:
            yield key, (Conflict, ALREADY)
        elif row.registration_id is None:
            gone = former.get(key)
            yield key, (NotFound, _NEVER) if gone is None else (Conflict, _gone(gone))


def _gone(system: str) -> str:
    return f"its settings went with the system {system!r}, which was deleted; register it anew"


def _former_systems(change: Change, keys: Sequence[str]) -> dict[str, str]:
    """Return which system each was unregistered from last; the audit log remembers."""
    query = (
        select(Audit.subject_name, Audit.before)
        .join(Integration, Integration.key == Audit.subject_name)
        .where(
            Audit.subject_kind == REGISTRATIONS.kind,
            among(change.session.connection(), Audit.subject_name, keys),
            Audit.action == REGISTRATIONS.actions[2],
            # An integration of the same key that was deleted was another one.
            Audit.at >= Integration.created_at,
        )
        .order_by(Audit.id)
    )
    rows = change.session.execute(query)
    return {row.subject_name: str((row.before or {}).get("system")) for row in rows}


def _audit(change: Change, keys: Sequence[str], deliveries: int) -> None:
    name = keys[0] if len(keys) == 1 else f"{len(keys):,} integrations"
    after = {"integrations": list(keys), "deliveries": deliveries}
    connection = change.session.connection()
    audit.record(connection, change.actor, "restore", REGISTRATIONS.kind, name, None, after)
