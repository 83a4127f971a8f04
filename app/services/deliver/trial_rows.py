"""The rows of a test: taken with its one attempt, and ended with its verdict."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from app import clock
from app.channels.base import ChannelError, Receipt
from app.clock import to_micros, utc_now
from app.domain.kinds import (
    DeliveryState,
    EndReason,
    Fail,
    RecipientState,
    Verdict,
)
from app.domain.outcome import settle
from app.models import IS_TEST, Attempt, Delivery
from app.services.deliver.effects import store_recipients
from app.services.deliver.ended import Ended, note
from app.services.installation import Installation
from app.services.processes import dead_owners
from app.services.sql import patiently

# Longer than any attempt (TimeOut is 300 s at the most).
LEASE = timedelta(seconds=345)
_TABLE = Delivery.__table__
_LATER = "The mail server puts them off for now: test again later."
_IS_TEST = (_TABLE.c.lane_id.is_(None), IS_TEST)


@dataclass(frozen=True)
class Trial:
    """A test that is ours to send: its one attempt has begun."""

    id: int
    integration_id: int | None
    token: str
    message_id: str
    draft: str


def end_lost(site: Installation) -> None:
    """End the tests whose worker died in their one attempt, as what became of it is unknown."""
    with site.store.reading() as connection:
        held = connection.execute(
            select(Delivery.id, Delivery.lease_until, Attempt.process_id)
            .join(Attempt, Attempt.delivery_id == Delivery.id)
            .where(*_IS_TEST, Delivery.state == DeliveryState.LEASED)
        ).all()
    dead = dead_owners(site, {row.process_id for row in held if row.process_id is not None})
    lost = [row.id for row in held if row.process_id in dead or _is_over(row.lease_until)]
    if lost:
        with site.store.writing() as connection:
            end_unknown(connection, lost, utc_now())


def _is_over(until: datetime | None) -> bool:
    return until is None or (not clock.unsteady() and until < utc_now())


def begin(site: Installation, process_id: int) -> Trial | None:
    """Take the oldest test that waits and write its attempt, in one transaction."""
    with site.store.reading() as connection:
        if connection.scalar(_waiting()) is None:
            return None
    return patiently(partial(_taken, site, process_id))


def _waiting() -> Any:
    query = select(_TABLE.c.id).where(*_IS_TEST, _TABLE.c.state == DeliveryState.PENDING)
    return query.order_by(_TABLE.c.id).limit(1)


def _taken(site: Installation, process_id: int) -> Trial | None:
    now, token = utc_now(), secrets.token_hex(16)
    with site.store.writing(durable=False) as connection:
        test_id = connection.scalar(_waiting().with_for_update(skip_locked=True))
        if test_id is None:
            return None
        message = f"tocsin.{test_id}.{to_micros(now):x}"
        row = connection.execute(
            _TABLE.update()
            .where(_TABLE.c.id == test_id)
            .values(
                state=DeliveryState.LEASED,
                lease_token=token,
                lease_until=now + LEASE,
                started=True,
                attempt_count=1,
                message_id=message,
            )
            .returning(_TABLE.c.integration_id, _TABLE.c.draft)
        ).one()
        connection.execute(
            Attempt.__table__.insert().values(
                delivery_id=test_id, number=1, process_id=process_id, started_at=now, count=1
            )
        )
    return Trial(test_id, row.integration_id, token, message, row.draft or "")


def end(site: Installation, trial: Trial, ended: Ended) -> None:
    """Store the verdict and delete the draft; a test that was ended meanwhile stays as it is.

    One transaction.
    """
    now = utc_now()
    with site.store.writing() as connection:
        delivered = _note(connection, ended, ended.outcome, now)
        mine = (_TABLE.c.id == trial.id, _TABLE.c.lease_token == trial.token)
        values = _final(now, delivered=delivered) | {"subject": ended.subject}
        connection.execute(_TABLE.update().where(*mine).values(values))


def _note(
    connection: Connection, ended: Ended, outcome: Receipt | ChannelError, now: datetime
) -> bool:
    """Write the verdict on the attempt and the recipients; returns whether it is delivered."""
    if isinstance(outcome, ChannelError):
        note(
            connection,
            ended,
            now,
            verdict=Verdict.UNKNOWN if outcome.maybe_sent else Verdict.FAILED,
            reason=outcome.reason,
            status=outcome.status,
            answer=str(outcome),
            transcript=outcome.transcript,
        )
        return False
    said = {verdict.address: verdict.state for verdict in outcome.recipients}
    # Over HTTP there are no recipients: what was taken was taken.
    took = not said or RecipientState.ACCEPTED in said.values()
    note(
        connection,
        ended,
        now,
        verdict=Verdict.OK if took else Verdict.FAILED,
        reason=None if took else _reason(said.values()),
        status=outcome.status,
        answer=_answer(outcome),
        transcript=outcome.transcript,
    )
    store_recipients(connection, ended, outcome, said, now)
    return not said or settle({}, said).delivered


def _reason(states: Iterable[RecipientState]) -> Fail:
    """Return why nobody got it; where nobody was refused for good, it is put off by the server."""
    return Fail.CLIENT_ERROR if RecipientState.REJECTED in states else Fail.SERVER_ERROR


def _answer(receipt: Receipt) -> str:
    """Return how many got it, who did not and why, and what to do about it."""
    people = receipt.recipients
    if not people:
        return receipt.answer
    others = [one for one in people if one.state is not RecipientState.ACCEPTED]
    said = [f"{len(people) - len(others)} of {len(people)} recipients accepted."]
    if len(others) < len(people):
        said.append(receipt.answer)
    if others:
        said.append("; ".join(f"{one.address}: {one.code} {one.text}".strip() for one in others))
        said.append(" ".join(dict.fromkeys(one.advice or _LATER for one in others)))
    return " ".join(part if part.endswith((".", "?")) else f"{part}." for part in said)


def _final(now: datetime, *, delivered: bool) -> dict[str, Any]:
    return {
        "state": DeliveryState.DELIVERED if delivered else DeliveryState.DEAD,
        "reason": None if delivered else EndReason.TEST,
        "finished_at": now,
        "started": False,
        "lease_token": None,
        "lease_until": None,
        "draft": None,
    }


def end_unknown(connection: Connection, lost: Sequence[int], now: datetime) -> None:
    """End tests whose worker died, in the caller's transaction; none is sent again."""
    held: ColumnElement[bool] = _TABLE.c.state == DeliveryState.LEASED
    ids = connection.scalars(
        _TABLE.update()
        .where(_TABLE.c.id.in_(lost), held)
        .values(_final(now, delivered=False))
        .returning(_TABLE.c.id)
    ).all()
    attempt = Attempt.__table__
    connection.execute(
        attempt.update()
        .where(attempt.c.delivery_id.in_(ids), attempt.c.verdict.is_(None))
        .values(
            verdict=Verdict.UNKNOWN,
            last_at=now,
            answer="The worker ended in the middle of this attempt; it may have been sent.",
        )
    )
