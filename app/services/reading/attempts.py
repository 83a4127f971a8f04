"""Attempts as they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, tuple_

from app.domain.kinds import Fail, Verdict
from app.models import Attempt
from app.services.documents import Document
from app.services.installation import Installation

MOST_ATTEMPTS = 1000


class AttemptDocument(Document):
    """One try; `verdict` null: it is under way. `count` equal ones are folded into one."""

    number: int
    started_at: datetime
    duration_ms: int | None
    count: int
    verdict: Verdict | None
    reason: Fail | None
    status: int | None
    request: str | None
    answer: str | None
    transcript: str | None


def last(site: Installation, ids: Sequence[int]) -> Mapping[int, AttemptDocument]:
    """Return the last attempt of each delivery that has one."""
    names = list(AttemptDocument.model_fields)
    theirs = Attempt.delivery_id.in_(ids)
    latest = select(Attempt.delivery_id, func.max(Attempt.number)).where(theirs)
    query = select(Attempt.delivery_id, *(getattr(Attempt, name) for name in names)).where(
        tuple_(Attempt.delivery_id, Attempt.number).in_(latest.group_by(Attempt.delivery_id))
    )
    with site.store.reading() as connection:
        rows = connection.execute(query).all()
    return {row[0]: AttemptDocument(**dict(zip(names, row[1:], strict=True))) for row in rows}


def of(connection: Connection, delivery_id: int) -> list[AttemptDocument]:
    """Return the last 1,000 attempts of a delivery, the first of them first."""
    names = list(AttemptDocument.model_fields)
    query = (
        select(*(getattr(Attempt, name) for name in names))
        .where(Attempt.delivery_id == delivery_id)
        .order_by(Attempt.number.desc())
        .limit(MOST_ATTEMPTS)
    )
    rows = connection.execute(query).all()
    return [AttemptDocument(**dict(zip(names, row, strict=True))) for row in reversed(rows)]
