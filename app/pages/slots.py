"""Conditions of forms as numbered slots, which tocsin.css hides by, without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.pages.fields import Field, shown


def with_slots(
    found: Sequence[Field], conditions: Mapping[str, Mapping[str, Sequence[Any]]]
) -> dict[str, Field]:
    """Return the fields by pointer, each condition with a slot of its own.

    A field that is shown through another one needs the slots of that one as well.
    """
    by_pointer = {one.pointer: one for one in found}
    slots: dict[tuple[str, tuple[str, ...]], int] = {}
    for pointer, wanted in conditions.items():
        for other, values in wanted.items():
            slots.setdefault((other, tuple(shown(value) for value in values)), len(slots) + 1)
        by_pointer[pointer] = replace(by_pointer[pointer], shown_when=dict(wanted))
    for (other, values), slot in slots.items():
        if other in by_pointer:
            by_pointer[other] = _turning(by_pointer[other], values, slot)
    return {p: replace(one, needs=_needs(one, by_pointer, slots)) for p, one in by_pointer.items()}


def _turning(one: Field, values: Sequence[str], slot: int) -> Field:
    off = {key: list(numbers) for key, numbers in one.off.items()}
    for value, _ in one.choices:
        if value not in values:
            off.setdefault(value, []).append(slot)
    return replace(one, off=off)


def _needs(
    one: Field,
    others: Mapping[str, Field],
    slots: Mapping[tuple[str, tuple[str, ...]], int],
) -> list[int]:
    needs: list[int] = []
    for pointer, values in one.shown_when.items():
        needs.append(slots[pointer, tuple(shown(value) for value in values)])
        if pointer in others:
            needs += _needs(others[pointer], others, slots)
    return sorted(set(needs))
