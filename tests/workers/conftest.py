"""Fixtures of the tests of workers/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.workers.helpers import Running


class Launch(Protocol):
    """Starts `python …` on a data directory; it is ended with the test."""

    def __call__(self, *arguments: str, **environ: str) -> Running:
        """Start it with these arguments and settings."""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return a data directory, whose parent is the test's own."""
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture
def launch(data_dir: Path) -> Iterator[Launch]:
    """Return a function that starts a process on the data directory."""
    started: list[Running] = []

    def start(*arguments: str, **environ: str) -> Running:
        started.append(Running(data_dir, *arguments, **environ))
        return started[-1]

    yield start
    for running in started:
        running.clean_up()


@pytest.fixture
def supervise(launch: Launch) -> Launch:
    """Return a function that starts a real supervisor over the named fake roles."""
    return lambda *roles, **environ: launch("-m", "tests.workers.fake_server", *roles, **environ)
