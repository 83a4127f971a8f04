"""Fixtures of the tests of workers/."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.workers.helpers import Running, wait_for
from workers.embedded_redis import binary


class Launch(Protocol):
    """Starts `python …` on a data directory; it is ended with the test."""

    def __call__(self, *arguments: str, **environ: str) -> Running:
        """Start it with these arguments and settings."""


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run a real Redis server of the session's own; returns its socket."""
    directory = tmp_path_factory.mktemp("redis")
    path = directory / "redis.sock"
    command = [str(binary()), "--port", "0", "--unixsocket", str(path), "--save", ""]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL) as server:
        wait_for("the socket of Redis", path.exists)
        yield path
        server.kill()


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
