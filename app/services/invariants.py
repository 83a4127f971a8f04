"""What must be true of the database at any quiet moment; `flask tocsin check` asks all of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from app.clock import utc_now
from app.domain.kinds import FINAL_STATES, DeliveryKind, DeliveryState, EndReason, RecipientState
from app.models import (
    Attempt,
    Delivery,
    DeliveryItem,
    DeliveryRecipient,
    Failure,
    IntegrationDirection,
    Lane,
    System,
    Trace,
)
from app.services.event_invariants import event_rules
from app.services.installation import Installation

MOST_NAMED = 10
# What a dead owner held is given back by the sweep; longer than that nobody looked after it.
PATIENCE = timedelta(seconds=120)
SHORTEST_RETENTION = timedelta(days=1)


@dataclass(frozen=True)
class Violation:
    """A broken invariant: how many rows break it, and the ids of the first ones."""

    text: str
    count: int
    ids: tuple[int, ...]


def check(site: Installation) -> list[Violation]:
    """Return the broken invariants; reads only, in one snapshot."""
    found = []
    with site.store.reading() as connection:
        for text, query in _rules().items():
            ids = connection.scalars(query.limit(MOST_NAMED)).all()
            if ids:
                count = connection.scalar(select(func.count()).select_from(query.subquery())) or 0
                found.append(Violation(text, count, tuple(ids)))
    return found


def _rules() -> dict[str, Select[int]]:
    return (
        _delivery_rules() | event_rules() | _attempt_rules() | _failure_rules() | _standing_rules()
    )


def _delivery_rules() -> dict[str, Select[int]]:
    recipient = DeliveryRecipient
    mine = recipient.delivery_id == Delivery.id
    final = Delivery.state.in_(FINAL_STATES)
    by_mail = exists().where(System.id == Delivery.system_id, System.kind == "smtp")
    items = (
        select(func.count())
        .where(DeliveryItem.delivery_id == Delivery.id)
        .correlate(Delivery)
        .scalar_subquery()
    )
    return {
        "a draft is gone with its verdict": select(Delivery.id).where(
            final, Delivery.draft.is_not(None)
        ),
        "a delivered mail was accepted for somebody": select(Delivery.id).where(
            Delivery.state == DeliveryState.DELIVERED,
            by_mail,
            ~exists().where(mine, recipient.state == RecipientState.ACCEPTED),
        ),
        "a delivered mail waits for nobody": select(Delivery.id).where(
            Delivery.state == DeliveryState.DELIVERED,
            exists().where(
                mine, recipient.state.in_((RecipientState.PENDING, RecipientState.DEFERRED))
            ),
        ),
        "a delivery has an end exactly when it is final": select(Delivery.id).where(
            final != Delivery.finished_at.is_not(None)
        ),
        "a final delivery is held by nobody": select(Delivery.id).where(
            final, or_(Delivery.lease_token.is_not(None), Delivery.started)
        ),
        # What was told and deleted since stays counted: that is how many the mail told.
        "an open delivery tells what it counts": select(Delivery.id).where(
            ~final, Delivery.kind != DeliveryKind.EVENT, Delivery.item_count != items
        ),
        "an open delivery stands in a lane of its system": select(Delivery.id).where(
            ~final,
            # A test is sent beside the lanes.
            Delivery.kind != DeliveryKind.TEST,
            ~exists().where(Lane.id == Delivery.lane_id, Lane.system_id == Delivery.system_id),
        ),
    }


def _attempt_rules() -> dict[str, Select[int]]:
    made = (
        select(func.coalesce(func.sum(Attempt.count), 0))
        .where(Attempt.delivery_id == Delivery.id)
        .correlate(Delivery)
        .scalar_subquery()
    )
    return {
        "every attempt has its row": select(Delivery.id).where(Delivery.attempt_count != made),
        "an attempt without a verdict is being made": select(Attempt.delivery_id).where(
            Attempt.verdict.is_(None),
            ~exists().where(Delivery.id == Attempt.delivery_id, Delivery.started),
        ),
    }


def _failure_rules() -> dict[str, Select[int]]:
    # What is quarantined waits for a person to send it again, so that its failures stay told.
    goes = or_(
        Delivery.state.not_in((DeliveryState.CANCELLED, DeliveryState.DEAD)),
        Delivery.reason == EndReason.QUARANTINED,
    )
    # A mail is pruned after a day at the earliest; a failure that goes on may outlive it.
    young = utc_now() - SHORTEST_RETENTION
    return {
        "a notified failure was told by a delivered mail": select(Failure.id).where(
            Failure.notified_delivery_id.is_not(None),
            ~exists().where(
                Delivery.id == Failure.notified_delivery_id,
                Delivery.state == DeliveryState.DELIVERED,
            ),
            or_(Failure.notified_at >= young, _is_there(Failure.notified_delivery_id)),
        ),
        "a told failure stands in a mail that goes": select(Failure.id).where(
            Failure.told_delivery_id.is_not(None),
            ~exists().where(
                DeliveryItem.delivery_id == Failure.told_delivery_id,
                DeliveryItem.failure_id == Failure.id,
                Delivery.id == DeliveryItem.delivery_id,
                goes,
            ),
            or_(Failure.first_logged_at >= young, _is_there(Failure.told_delivery_id)),
        ),
        "a failure has the trace that it names": select(Failure.id).where(
            Failure.trace_hash.is_not(None), ~exists().where(Trace.hash == Failure.trace_hash)
        ),
    }


def _is_there(delivery_id: InstrumentedAttribute[int | None]) -> ColumnElement[bool]:
    return exists().where(Delivery.id == delivery_id)


def _standing_rules() -> dict[str, Select[int]]:
    direction = IntegrationDirection
    lanes = (
        select(func.count())
        .where(Lane.system_id == System.id, Lane.row.is_(None))
        .correlate(System)
        .scalar_subquery()
    )
    mail = case((System.kind == "smtp", 1), else_=0)
    return {
        "a direction counts only within an episode": select(direction.id).where(
            or_(
                direction.count < 0,
                direction.count > direction.occurrences,
                and_(direction.episode_since.is_(None), direction.count != 0),
            )
        ),
        "a mail system has one lane, others have none for mail": select(System.id).where(
            lanes != mail
        ),
        "a lane is held by a live lease or by nobody": select(Lane.id).where(
            Lane.lease_token.is_not(None), Lane.lease_until < utc_now() - PATIENCE
        ),
    }
