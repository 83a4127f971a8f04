"""Silent directions: found by the dispatch pass, told once per episode (S1; product.md 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, func, or_, type_coerce

from app.clock import to_micros
from app.domain.kinds import DeliveryKind, Why
from app.domain.notifying import Decision
from app.domain.silence import Quiet, decide_silence
from app.models import Delivery, IntegrationDirection, Registration, RegistrationDirection
from app.services.decisions import as_document
from app.services.installation import Installation
from app.services.new_delivery import fresh
from app.services.sql import insert_returning, patiently, update_by_id
from app.services.standing import directions, rules_of

# So many in a transaction: about 10 ms on SQLite, whose one writer intake waits for.
AT_ONCE = 200
_MINUTE = 60_000_000
_STATE = (
    IntegrationDirection.id,
    IntegrationDirection.integration_id,
    IntegrationDirection.direction,
    IntegrationDirection.active,
    IntegrationDirection.activated_at,
    IntegrationDirection.last_activity_at,
    IntegrationDirection.count,
    IntegrationDirection.occurrences,
    IntegrationDirection.episode,
    IntegrationDirection.episode_since,
    IntegrationDirection.told_delivery_id,
    IntegrationDirection.decisions,
)


@dataclass(frozen=True)
class Found:
    """What a pass found: silent directions that are told now, and those whose failure was told."""

    told: int = 0
    skipped: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(self.told + other.told, self.skipped + other.skipped)


def tell(site: Installation, now: datetime) -> Found:
    """Decide every direction that has fallen silent, in short transactions; returns how many.

    Each decision stands in the transaction that makes its mail, so that a pass that is killed
    tells nobody twice. The mail waits for the pass.
    """
    found, after = Found(), 0
    while True:
        some, after = patiently(partial(_some, site, after, now))
        found += some
        if not after:
            return found


def _some(site: Installation, after: int, now: datetime) -> tuple[Found, int]:
    """Decide the next silent directions; returns the last one's id, or 0 when all are decided."""
    query = directions(*_STATE).where(*_undecided(now))
    with site.store.reading() as connection:
        # Looked up without the lock first, as hardly ever is there one.
        some = query.where(IntegrationDirection.id > after).limit(AT_ONCE)
        ids = connection.scalars(some.with_only_columns(IntegrationDirection.id)).all()
    if not ids:
        return Found(), 0
    locked = query.where(IntegrationDirection.id.in_(ids)).with_for_update(of=IntegrationDirection)
    with site.store.writing() as connection:
        found = _decide(connection, connection.execute(locked).all(), now)
    return found, ids[-1] if len(ids) == AT_ONCE else 0


def _undecided(now: datetime) -> tuple[Any, ...]:
    """Return the conditions of a direction that is silent and was not decided in its episode."""
    direction = IntegrationDirection
    limit = type_coerce(RegistrationDirection.no_activity_minutes, BigInteger) * _MINUTE
    passed = to_micros(now) - limit
    return (
        direction.active,
        RegistrationDirection.global_enabled,
        RegistrationDirection.no_activity_minutes.is_not(None),
        or_(
            direction.episode_since.is_(None),
            direction.silent_episode.is_distinct_from(direction.episode),
        ),
        and_(
            _micros(direction.activated_at) < passed,
            _micros(Registration.registered_at) < passed,
            func.coalesce(_micros(direction.last_activity_at), 0) < passed,
        ),
    )


def _micros(column: Any) -> ColumnElement[int]:
    return type_coerce(column, BigInteger)


def _decide(connection: Connection, rows: Sequence[Any], now: datetime) -> Found:
    decided = []
    for row in rows:
        quiet = Quiet(
            active=row.active,
            registered=row.registered_at,
            activated=row.activated_at,
            last_activity=row.last_activity_at,
            told=row.episode_since is not None and row.told_delivery_id is not None,
        )
        decision = decide_silence(rules_of(row), row.no_activity_minutes, quiet, now)
        if decision is not None:
            decided.append((row, quiet, decision))
    telling = [(row, quiet, decision) for row, quiet, decision in decided if decision.sends]
    ids = insert_returning(
        connection, Delivery.__table__, [_delivery(*one, now) for one in telling]
    )
    mails = {row.id: mail_id for (row, _, _), mail_id in zip(telling, ids, strict=True)}
    values = [_line(*one, mails.get(one[0].id), now) for one in decided]
    update_by_id(connection, IntegrationDirection.__table__, values)
    return Found(len(telling), len(decided) - len(telling))


def _line(
    row: Any, quiet: Quiet, decision: Decision, mail_id: int | None, now: datetime
) -> dict[str, Any]:
    """Return the direction in its silent episode, which is the failing one if there is one."""
    opens = row.episode_since is None
    document = as_document(decision, now, mail_id)
    return {
        "id": row.id,
        "episode": row.episode + 1 if opens else row.episode,
        "episode_since": _episode_since(row, quiet),
        "count": 0 if opens else row.count,
        "occurrences": 0 if opens else row.occurrences,
        "silent_episode": row.episode + 1 if opens else row.episode,
        "told_delivery_id": mail_id or (None if opens else row.told_delivery_id),
        "decisions": {**(row.decisions or {}), str(DeliveryKind.INACTIVITY): document},
    }


def _episode_since(row: Any, quiet: Quiet) -> datetime:
    """Return the start of the episode; a silent one starts when the limit passed (product.md 1)."""
    passed = quiet.since + timedelta(minutes=row.no_activity_minutes)
    return passed if row.episode_since is None else row.episode_since


def _delivery(row: Any, quiet: Quiet, decision: Decision, now: datetime) -> dict[str, Any]:
    return fresh(
        now,
        kind=DeliveryKind.INACTIVITY,
        system_id=row.system_id,
        lane_id=row.lane_id,
        integration_id=row.integration_id,
        direction=row.direction,
        why=Why.INACTIVITY,
        why_text=decision.text,
        episode_since=_episode_since(row, quiet),
        silent_since=quiet.since,
        limit_minutes=row.no_activity_minutes,
    )
