"""What a mail server's answers make of a delivery (product.md 6)."""

from __future__ import annotations

import pytest

from app.domain.kinds import RecipientState
from app.domain.outcome import is_poison, settle, still_to_ask

OK, LATER, NO, OPEN = (
    RecipientState.ACCEPTED,
    RecipientState.DEFERRED,
    RecipientState.REJECTED,
    RecipientState.PENDING,
)


@pytest.mark.parametrize(
    ("before", "now", "delivered", "after"),
    [
        ({}, {"a": OK}, True, {"a": OK}),
        ({}, {"a": OK, "b": OK}, True, {"a": OK, "b": OK}),
        # a refusal is final for its address, the others get the mail
        ({}, {"a": OK, "b": NO}, True, {"a": OK, "b": NO}),
        # the deferred go with the next pass
        ({}, {"a": OK, "b": LATER}, False, {"a": OK, "b": LATER}),
        ({}, {"a": OK, "b": LATER, "c": NO}, False, {"a": OK, "b": LATER, "c": NO}),
        ({"a": OK, "b": LATER, "c": NO}, {"b": OK}, True, {"a": OK, "b": OK, "c": NO}),
        ({"a": OK, "b": LATER}, {"b": NO}, True, {"a": OK, "b": NO}),
        ({}, {"a": LATER, "b": NO}, False, {"a": LATER, "b": NO}),
        # all refused: it stays pending, and all are asked again
        ({}, {"a": NO}, False, {"a": OPEN}),
        ({}, {"a": NO, "b": NO}, False, {"a": OPEN, "b": OPEN}),
        ({"a": LATER, "b": NO}, {"a": NO}, False, {"a": OPEN, "b": OPEN}),
    ],
)
def test_the_verdicts_of_all_recipients_settle_a_mail(
    before: dict[str, RecipientState],
    now: dict[str, RecipientState],
    delivered: bool,
    after: dict[str, RecipientState],
) -> None:
    settled = settle(before, now)

    assert settled.delivered is delivered
    assert settled.recipients == after
    assert settled.refused == tuple(sorted(a for a, state in now.items() if state is NO))


def test_only_recipients_without_a_final_verdict_are_asked() -> None:
    known = {"a": OK, "b": LATER, "c": NO, "d": OPEN, "gone": OK}

    assert still_to_ask(("a", "b", "c", "d", "new"), known) == ("b", "d", "new")


@pytest.mark.parametrize(("lost", "poison"), [(0, False), (1, False), (2, False), (3, True)])
def test_the_third_lost_lease_makes_a_delivery_poison(lost: int, poison: bool) -> None:
    assert is_poison(lost) is poison
