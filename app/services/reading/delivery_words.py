"""Where a delivery and its attempts stand, in the words of the screens (delivery.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.clock import utc_now
from app.domain.kinds import (
    DeliveryKind,
    DeliveryState,
    EndReason,
    Fail,
    RecipientState,
    Verdict,
)
from app.services.reading.deliveries import DeliveryDocument

WORDS = {
    DeliveryState.PENDING: "Waiting",
    DeliveryState.LEASED: "Sending",
    DeliveryState.STORED: "Stored, goes with the next success",
    DeliveryState.DELIVERED: "Accepted",
    DeliveryState.DEAD: "Dead",
    DeliveryState.CANCELLED: "Cancelled",
}
COLOURS = {
    DeliveryState.PENDING: "yellow",
    DeliveryState.LEASED: "blue",
    DeliveryState.STORED: "yellow",
    DeliveryState.DELIVERED: "green",
    DeliveryState.DEAD: "red",
    DeliveryState.CANCELLED: "secondary",
}
REASONS = {
    EndReason.EXHAUSTED: "its retries are used up",
    EndReason.EXPIRED: "3 days are over",
    EndReason.REJECTED: "it was refused for good",
    EndReason.QUARANTINED: "it ended its worker three times",
    EndReason.TEST: "a test is tried once",
    EndReason.UNREGISTERED: "the integration was unregistered",
    EndReason.REMOVED: "what it was for was removed",
    EndReason.OPERATOR: "by an operator",
}
FAILS = {
    Fail.CLIENT_ERROR: "refused (client error)",
    Fail.SERVER_ERROR: "server error",
    Fail.AUTH_ERROR: "login refused",
    Fail.RATE_LIMITED: "too many requests",
    Fail.TIMEOUT: "no answer in time",
    Fail.CONNECTION: "no connection",
    Fail.TLS: "TLS failed",
    Fail.DNS: "name not found",
    Fail.BLOCKED_ADDRESS: "address not allowed",
    Fail.TOO_LARGE: "too large",
    Fail.TEMPLATE: "the text could not be made",
    Fail.OTHER: "failed",
}
VERDICTS = {
    Verdict.OK: ("Accepted", "green"),
    Verdict.FAILED: ("Failed", "red"),
    Verdict.UNKNOWN: ("Nobody saw its end", "yellow"),
    None: ("Under way", "blue"),
}
PEOPLE = {
    RecipientState.PENDING: ("waiting", "secondary"),
    RecipientState.ACCEPTED: ("accepted", "green"),
    RecipientState.DEFERRED: ("put off", "yellow"),
    RecipientState.REJECTED: ("refused", "red"),
}


@dataclass(frozen=True)
class Standing:
    """Where a delivery stands: "Retry 3 of 10", and `at`, to be shown in the reader's zone."""

    text: str
    at: datetime | None = None


def standing(one: DeliveryDocument) -> Standing:
    """Return where a delivery stands: with the reason of its end, or what it waits for."""
    if one.state is DeliveryState.DELIVERED and one.confirmed:
        return Standing("Confirmed")
    if one.reason is not None:
        return Standing(f"{WORDS[one.state]}: {REASONS[one.reason]}")
    if one.state is DeliveryState.PENDING:
        return _waiting(one)
    return Standing(WORDS[one.state])


def _waiting(one: DeliveryDocument) -> Standing:
    if one.due_at is None:
        return Standing("Waiting for the next run")
    if one.next_retry is not None:
        number = "" if one.retries_of is None else f" of {one.retries_of:,}"
        return Standing(f"Retry {one.next_retry:,}{number}", one.due_at)
    # Nothing else that was never tried has a time ahead.
    if one.kind is DeliveryKind.EVENT and not one.attempt_count and one.due_at > utc_now():
        return Standing("Waiting for a batch", one.due_at)
    return Standing(WORDS[one.state])


def state(one: DeliveryDocument) -> str:
    """Return where a delivery stands, without the time that may belong to it."""
    return standing(one).text


def colour(one: DeliveryDocument) -> str:
    """Return the colour of its badge."""
    return COLOURS[one.state]
