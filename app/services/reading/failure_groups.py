"""Failures by what they have in common: message, code or integration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, func, select

from app.models import Failure, Integration
from app.services.installation import Installation
from app.services.reading import failure_counts, failure_keys
from app.services.reading.failure_filter import FailureQuery, conditions
from app.services.sql import among, these

# The newest so many are grouped.
MOST = 10_000
By = Literal["message", "code", "integration"]
_COLUMNS: dict[str, Any] = {
    "message": (Failure.message, Failure.message),
    "code": (Failure.error_code, Failure.error_code),
    "integration": (Integration.key, Integration.name),
}


@dataclass(frozen=True)
class Group:
    """Failures that are alike: the value of the filter that shows them, a label, how many, when."""

    key: str | None
    label: str
    count: int
    last_logged_at: datetime


@dataclass(frozen=True)
class Groups:
    """The largest groups first; not `whole`: only the newest 10,000 failures were grouped.

    `more`: there are smaller groups, which are not shown.
    """

    groups: Sequence[Group]
    whole: bool
    more: bool


def groups(site: Installation, wanted: FailureQuery, by: By, limit: int = 50) -> Groups:
    """Group the failures of a filter; its cursor and limit are not asked."""
    with site.store.reading() as connection:
        those, whole = _those(connection, wanted)
        found = _groups(connection, those, by, limit + 1)
    return Groups(found[:limit], whole, len(found) > limit)


def _those(connection: Connection, wanted: FailureQuery) -> tuple[ColumnElement[bool], bool]:
    """Return the condition of the newest failures of the filter, and whether these are all."""
    if failure_keys.walks(wanted):
        keys = failure_keys.first(connection, wanted, MOST)
        those = among(connection, Failure.id, [one for _, one in keys[:MOST]])
        return those, len(keys) <= MOST
    newest = select(Failure.id).where(*conditions(connection, wanted)).limit(MOST)
    newest = newest.order_by(*(one.desc() for one in failure_keys.ORDER))
    number = failure_counts.count(connection, wanted, MOST)
    return these(connection, Failure.id, newest), not number.more


def _groups(connection: Connection, those: ColumnElement[bool], by: By, limit: int) -> list[Group]:
    key, label = _COLUMNS[by]
    number, last = func.count(), func.max(Failure.last_logged_at)
    query = select(key, func.max(label), number, last).where(those)
    if by == "integration":
        query = query.outerjoin(Integration, Integration.id == Failure.integration_id)
    query = query.group_by(key).order_by(number.desc(), last.desc()).limit(limit)
    return [Group(row[0], row[1] or "", row[2], row[3]) for row in connection.execute(query)]
