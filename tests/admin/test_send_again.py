"""Send again on the screen: one delivery, through another system, and all of a filter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.channels import CHANNELS
from app.services.installation import Installation
from tests.admin.person import Person, finish_jobs, words
from tests.services.posts.lanes import KIND, World, down
from tests.simulated import Simulated


@pytest.fixture
def world(site: Installation, simulated: Simulated) -> Iterator[World]:
    """Two deliveries that are dead, as their one retry was in vain."""
    made = World(site, simulated, policy="None")
    made.channel.says = down
    made.report("one", "two")
    made.passes(20)
    assert made.states() == ["dead", "dead"]
    made.channel.says = lambda _: None
    yield made
    CHANNELS.pop(KIND, None)


def test_a_final_delivery_is_sent_again_as_a_new_one(world: World, operator: Person) -> None:
    assert "Send again" in operator.text("/deliveries/1")
    said = operator.done("/deliveries/1/again")
    world.serve()

    assert "It is sent again, as delivery 3." in said
    assert "Made again from Delivery 1" in said
    assert world.arrived == ["one"]
    assert "Send again" not in operator.text("/deliveries/").split("Filter")[0]


@pytest.mark.usefixtures("world")
def test_a_delivery_shows_what_is_posted_of_its_event(viewer: Person) -> None:
    page = viewer.text("/deliveries/1")

    assert "What is posted of its event" in page
    assert '"title": "one"' in page


def test_what_waits_is_not_sent_again(world: World, operator: Person) -> None:
    world.report("three")
    assert "Send again" not in operator.text("/deliveries/3")

    assert "waits still" in operator.done("/deliveries/3/again")


def test_an_unknown_system_is_told(world: World, operator: Person) -> None:
    assert "There is no system" in operator.done("/deliveries/1/again", system="Nobody")


def test_all_of_a_filter_are_sent_again_after_a_question(
    world: World, site: Installation, operator: Person
) -> None:
    assert "Send these again" in operator.text("/deliveries/?state=dead")
    assert "Send these again" not in operator.text("/deliveries/?state=pending")

    asked = operator.post("/deliveries/again", **{"f.state": "dead"})
    assert "is sent once more" in words(asked)
    operator.done("/deliveries/again", sure="yes", **{"f.state": "dead"})
    finish_jobs(site)
    world.serve()

    assert world.arrived == ["one", "two"]


def test_without_a_final_state_nothing_is_sent_again(world: World, operator: Person) -> None:
    assert "Choose a state that is final" in operator.done("/deliveries/again", sure="yes")


def test_a_viewer_sends_nothing_again(world: World, viewer: Person) -> None:
    assert "Send again" not in viewer.text("/deliveries/1")
    assert viewer.post("/deliveries/1/again").status_code == 403
    assert viewer.post("/deliveries/again").status_code == 403
