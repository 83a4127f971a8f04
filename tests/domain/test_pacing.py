"""How many messages a service takes in a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.pacing import remembered, rest

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SLACK, TEAMS = ((1, 1.0),), ((4, 1.0), (60, 30.0))


def _ago(*seconds: float) -> list[datetime]:
    return [NOW - timedelta(seconds=one) for one in seconds]


@pytest.mark.parametrize(
    ("sent", "windows", "seconds"),
    [
        ([], SLACK, 0),
        ([0.25], SLACK, 0.75),
        ([1.0], SLACK, 0),
        ([0.9, 0.6, 0.3], TEAMS, 0),
        ([0.9, 0.6, 0.3, 0.0], TEAMS, 0.1),
        ([20.0] * 60, TEAMS, 10),
        ([20.0] * 56 + [0.5] * 4, TEAMS, 10),
        ([20.0] * 55 + [0.5] * 4, TEAMS, 0.5),
    ],
)
def test_the_next_message_waits_for_every_window(
    sent: list[float], windows: tuple[tuple[int, float], ...], seconds: float
) -> None:
    assert rest(_ago(*sent), windows, NOW).total_seconds() == pytest.approx(seconds)


def test_what_is_older_than_the_longest_window_or_of_the_future_does_not_count() -> None:
    assert remembered(_ago(31, 29, -5, 2), TEAMS, NOW) == _ago(29, 2)
