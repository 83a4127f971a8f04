"""Which run of a direction was the last one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.cycle import Cycle, follow

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
# A report: its cycle id, its minute after noon, and whether it ends the run.
Told = tuple[str | None, float, bool]


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def after(*reports: Told) -> Cycle:
    last: Cycle | None = None
    for cycle_id, minute, ends in reports:
        last = follow(last, cycle_id, at(minute), ends=ends)
    assert last is not None
    return last


@pytest.mark.parametrize(
    ("reports", "since", "ended"),
    [
        pytest.param([(None, 1, False)], 1, None, id="the first report begins it"),
        pytest.param([(None, 1, False), (None, 2, False)], 1, None, id="what follows is of it"),
        pytest.param([(None, 1, False), (None, 2, True)], 1, 2, id="it has an end"),
        pytest.param(
            [(None, 1, True), (None, 2, False)], 2, None, id="after the end a new one begins"
        ),
        pytest.param([(None, 1, True), (None, 2, True)], 2, 2, id="each end without more is a run"),
        pytest.param(
            [("a", 1, False), ("a", 2, True), ("a", 3, False)],
            1,
            2,
            id="a named one goes on after its end",
        ),
        pytest.param([("a", 1, False), ("b", 2, False)], 2, None, id="another name is another run"),
        pytest.param(
            [("a", 1, False), ("b", 2, False), ("a", 1.5, False)],
            2,
            None,
            id="a late report of an earlier one changes nothing",
        ),
        pytest.param(
            [("a", 2, False), ("a", 1, False)], 1, None, id="a late report of the same is its first"
        ),
        pytest.param(
            [(None, 1, False), (None, 3, True), (None, 2, False)],
            1,
            3,
            id="a late report from before the end belongs to it",
        ),
        pytest.param(
            [(None, 1, False), ("a", 2, False), ("a", 3, True)],
            1,
            3,
            id="one that is named later is the same run",
        ),
    ],
)
def test_the_last_cycle_of_a_direction(
    reports: list[Told], since: float, ended: float | None
) -> None:
    found = after(*reports)

    assert found.since == at(since)
    assert found.ended_at == (None if ended is None else at(ended))


def test_a_repeated_report_changes_nothing() -> None:
    once = after(("a", 1, False), ("a", 2, True))

    assert follow(once, "a", at(2), ends=True) == once
