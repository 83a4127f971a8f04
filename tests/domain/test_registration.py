"""Whom a registration tells: by direction, and by kind of failure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.domain.kinds import Direction, Kind
from app.domain.notifying import Rules
from app.domain.registration import (
    DirectionRow,
    DirectionSettings,
    RegistrationSettings,
    direction_settings,
)

G, P = Kind.GLOBAL, Kind.PROCESSING


@pytest.mark.parametrize(
    ("settings", "kind", "to", "cc"),
    [
        ({}, G, ("a@x",), ("c@x",)),
        ({}, P, ("a@x",), ("c@x",)),
        ({"processing_recipients": ("p@x",)}, G, ("a@x",), ("c@x",)),
        ({"processing_recipients": ("p@x",)}, P, ("p@x",), ("c@x",)),
        ({"processing_cc": ()}, P, ("a@x",), ()),
        ({"processing_cc": ("q@x",)}, P, ("a@x",), ("q@x",)),
        ({"cc": ("A@X", "c@x")}, G, ("a@x",), ("c@x",)),
    ],
)
def test_processing_failures_go_to_their_own_recipients_where_given(
    settings: dict[str, Any], kind: Kind, to: tuple[str, ...], cc: tuple[str, ...]
) -> None:
    found = DirectionSettings(**{"recipients": ("a@x",), "cc": ("c@x",)} | settings).recipients_of(
        kind
    )
    assert (found.to, found.cc) == (to, cc)


def test_backward_has_the_settings_of_forward_unless_it_has_its_own() -> None:
    forward, backward = DirectionSettings(("f@x",)), DirectionSettings(("b@x",))
    same, own = RegistrationSettings(forward), RegistrationSettings(forward, backward)
    assert same.settings_of(Direction.BACKWARD) is forward
    assert own.settings_of(Direction.BACKWARD) is backward
    assert own.settings_of(Direction.FORWARD) is forward


def test_a_stored_row_becomes_settings_with_their_rules() -> None:
    row = SimpleNamespace(
        recipients=["a@x"], cc=[], subject_prefix="[p]", global_enabled=True,
        no_activity_minutes=60, immediately=True, failure_count=5, processing_enabled=False,
        before_max_retries=True, processing_recipients=None, processing_cc=["q@x"],
    )  # fmt: skip
    assert direction_settings(cast(DirectionRow, row)) == DirectionSettings(
        ("a@x",), (), "[p]", Rules(True, True, 5, False, True), 60, None, ("q@x",)
    )
