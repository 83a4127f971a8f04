"""Systems whose service takes so many messages in a while: no more are sent, and none is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.channels import CHANNELS
from app.services.deliver import sender
from app.services.installation import Installation
from tests.services.posts.lanes import KIND, World, down
from tests.simulated import Simulated


@pytest.fixture
def world(
    site: Installation, simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A lane of a service that takes two messages a minute."""
    monkeypatch.setattr(sender, "LONGEST_REST", 0.0)  # nobody moves the clock while it waits
    made = World(site, simulated)
    made.channel.pace = ((2, 60.0),)
    yield made
    CHANNELS.pop(KIND, None)


def test_no_more_are_sent_than_the_service_takes(world: World) -> None:
    world.report(*"abcde")
    world.passes(130)

    assert world.arrived == list("abcde")
    assert [at for at, _ in world.tries] == [1, 1, 61, 61, 121]
    assert world.states() == ["delivered"] * 5


def test_all_lanes_of_a_system_share_its_pace(world: World) -> None:
    other = world.lane("nodes")
    world.report(*"ab")
    world.report(*"cd", lane_id=other)
    world.passes(70)

    assert sorted(world.arrived) == list("abcd")
    assert sorted(at for at, _ in world.tries) == [1, 1, 61, 61]


def test_a_flush_is_paced_too(world: World) -> None:
    world.report(*"abcd")
    world.channel.says = down
    world.passes(50)
    world.channel.says = lambda _: None
    began = len(world.tries)
    world.passes(400)

    times = [at for at, _ in world.tries]
    assert world.arrived == list("abcd")
    assert began <= 2
    assert all(later - at >= 60 for at, later in zip(times, times[2:], strict=False))
