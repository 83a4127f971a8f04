"""The room on the disk: what is free, what is kept, and how often it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import LowDisk
from app.room import FRESH_SECONDS, Room


def test_less_than_is_kept_is_refused_with_both_figures(tmp_path: Path) -> None:
    room = Room(tmp_path, 1_000_000_000)

    with pytest.raises(LowDisk, match=r"MB free, less than the 1,000,000,000 MB") as refused:
        room.require()

    assert refused.value.retry_after == 30


@pytest.mark.parametrize("floor", [0, 1])
def test_enough_is_not_refused(tmp_path: Path, floor: int) -> None:
    room = Room(tmp_path, floor)
    room.require()
    assert room.sentence == f"{room.free:,} MB free"


def test_a_file_system_that_does_not_answer_refuses_nothing(tmp_path: Path) -> None:
    room = Room(tmp_path / "gone", 100)
    room.require()
    assert (room.free, room.low) == (None, False)
    assert room.sentence.startswith("unknown")


def test_the_disk_is_asked_once_a_second_at_most(tmp_path: Path) -> None:
    directory = tmp_path / "there"
    directory.mkdir()
    room = Room(directory, 100)
    before = room.free
    directory.rmdir()
    assert room.free == before

    room._until -= FRESH_SECONDS
    assert room.free is None
