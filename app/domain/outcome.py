"""What a mail server's answers make of a delivery (S1; product.md 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.kinds import RecipientState

POISON = 3


@dataclass(frozen=True)
class Settled:
    """Whether the mail is delivered, and what is now known of each recipient."""

    delivered: bool
    recipients: Mapping[str, RecipientState]
    refused: tuple[str, ...]


def settle(before: Mapping[str, RecipientState], now: Mapping[str, RecipientState]) -> Settled:
    """Return what the verdicts `now` make of a mail whose recipients stood at `before`.

    Accepted is final. A refusal is final for its address once anybody else gets the mail or still
    may; where all are refused the mail stays pending, and the next pass asks for all of them again
    (product.md 6).
    """
    known = {**before, **now}
    states = set(known.values())
    refused = tuple(sorted(a for a, s in now.items() if s is RecipientState.REJECTED))
    open_states = {RecipientState.DEFERRED, RecipientState.PENDING}
    if RecipientState.ACCEPTED in states:
        return Settled(not states & open_states, known, refused)
    if not states & open_states:
        again = dict.fromkeys(known, RecipientState.PENDING)
        return Settled(False, again, refused)
    return Settled(False, known, refused)


def still_known(
    wanted: tuple[str, ...], known: Mapping[str, RecipientState]
) -> dict[str, RecipientState]:
    """Return what still counts of `known` after the recipients were changed to `wanted`.

    Who has got the mail has got it. A refusal counts only beside somebody who got it or still may:
    where nobody else is left, all are asked again.
    """
    counts = {
        address: state
        for address, state in known.items()
        if address in wanted or state is RecipientState.ACCEPTED
    }
    if set(counts.values()) == {RecipientState.REJECTED} and set(wanted) <= set(counts):
        return {}
    return counts


def still_to_ask(wanted: tuple[str, ...], known: Mapping[str, RecipientState]) -> tuple[str, ...]:
    """Return the recipients of `wanted` that have no final verdict yet."""
    final = (RecipientState.ACCEPTED, RecipientState.REJECTED)
    return tuple(address for address in wanted if known.get(address) not in final)


def is_poison(lost_leases: int) -> bool:
    """Return whether a delivery ended its worker too often to be tried again (delivery.md)."""
    return lost_leases >= POISON
