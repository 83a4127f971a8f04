"""The watch over the wall clock, and the clock that tests may set."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from app import clock
from app.errors import SettingError
from tests.conftest import settings_in
from tests.simulated import Simulated


@pytest.mark.parametrize("seconds", [61, -61, 3600, -3600, 315_360_000, -315_360_000])
def test_a_jump_of_more_than_a_minute_is_held_for_ten_minutes(
    simulated: Simulated, seconds: float
) -> None:
    assert not clock.unsteady()

    simulated.jumps(seconds=seconds)

    assert clock.unsteady()
    simulated.passes(minutes=9, seconds=59)
    assert clock.unsteady()
    simulated.passes(seconds=1)
    assert not clock.unsteady()


@pytest.mark.parametrize("seconds", [55, -55])
def test_a_small_step_is_no_jump_and_many_of_them_are_none_either(
    simulated: Simulated, seconds: float
) -> None:
    for _ in range(5):
        simulated.jumps(seconds=seconds)
        assert not clock.unsteady()


def test_time_that_passes_is_no_jump(simulated: Simulated) -> None:
    simulated.passes(days=3650)

    assert not clock.unsteady()


def test_a_second_jump_holds_for_ten_minutes_more(simulated: Simulated) -> None:
    simulated.jumps(hours=1)
    assert clock.unsteady()
    simulated.passes(minutes=9)
    simulated.jumps(hours=-1)
    assert clock.unsteady()

    simulated.passes(minutes=9)
    assert clock.unsteady()
    simulated.passes(minutes=1)
    assert not clock.unsteady()


def test_a_child_that_is_forked_after_a_jump_holds_as_well(simulated: Simulated) -> None:
    simulated.jumps(hours=1)
    assert clock.unsteady()

    child = os.fork()
    if child == 0:
        os._exit(0 if clock.unsteady() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_file_sets_the_wall_clock_and_leaves_the_monotonic_one_alone(tmp_path: Path) -> None:
    offset, real, before = tmp_path / "offset", clock.utc_now(), clock.monotonic()
    settings_in(tmp_path, TEST_CLOCK=str(offset))
    assert clock.utc_now() - real < timedelta(seconds=10), "no file: as it is"
    assert not clock.unsteady()

    offset.write_text("3600.5", encoding="ascii")
    clock.sleep(0.06)

    assert timedelta(hours=1) < clock.utc_now() - real < timedelta(hours=1, seconds=20)
    assert clock.monotonic() - before < 20
    assert clock.unsteady()
    offset.write_text("half a num", encoding="ascii")
    clock.sleep(0.06)
    assert clock.utc_now() - real > timedelta(hours=1), "what cannot be read changes nothing"


def test_the_test_clock_is_off_without_its_variable(tmp_path: Path) -> None:
    settings_in(tmp_path)

    assert clock._simulated is None
    with pytest.raises(SettingError):
        settings_in(tmp_path, TEST_CLOCKS="x")
