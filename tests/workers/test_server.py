"""What stops a start, told in one line; and when a server is ready."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from app.errors import SettingError
from tests.harness.product import free_port
from tests.workers.conftest import Launch
from workers import runfiles
from workers.listeners import Listeners
from workers.ready import age, failing, unready


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_PORT", "http"),
        ("TOCSIN_WORKERS", "0"),
        ("TOCSIN_HOST", "no-such-host.invalid"),
        ("TOCSIN_NO_SUCH_SETTING", "1"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name(
    launch: Launch, name: str, value: str
) -> None:
    server = launch("-m", "workers", **{name: value})

    assert server.ends() == 2
    (line,) = server.output.splitlines()
    assert line.startswith(f"tocsin: {name}: ")


def test_a_second_server_on_one_data_directory_is_refused(launch: Launch, data_dir: Path) -> None:
    (data_dir / "run").mkdir()
    runfiles.write_pid(data_dir / "run", "supervisor", 4711)
    with open(runfiles.lock(data_dir / "run"), "rb"):
        second = launch("-m", "workers")

        assert second.ends() == 3

    (line,) = second.output.splitlines()
    assert line.startswith(f"tocsin: Tocsin is already running on {data_dir} (pid 4711).")


def test_a_port_that_is_taken_stops_the_start(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = launch("-m", "workers", TOCSIN_PORT=str(taken.getsockname()[1]))

        assert server.ends() == 2

    (line,) = server.output.splitlines()
    assert line.startswith("tocsin: TOCSIN_PORT: 127.0.0.1:")
    assert line.endswith("cannot be used: Address already in use")


def test_an_address_of_another_machine_is_a_wrong_host() -> None:
    with pytest.raises(SettingError, match=r"TOCSIN_HOST: 192\.0\.2\.1:"):
        Listeners("192.0.2.1", free_port(), 2)


def test_a_connection_waits_in_the_socket_while_nobody_accepts() -> None:
    port = free_port()
    listeners = Listeners("127.0.0.1", port, 2)

    with socket.create_connection(("127.0.0.1", port), timeout=5) as waiting:
        assert waiting.getpeername() == ("127.0.0.1", port)

    listeners.close()


OK = {"ok": True, "required": True, "value": 1, "unit": "ms", "text": "answers"}
ILL = {"ok": False, "required": False, "value": None, "unit": "s", "text": "not seen yet"}


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ({"checks": {"database": OK, "worker": OK}}, []),
        ({"checks": {"database": OK, "worker": ILL}}, ["worker: not seen yet"]),
        ({"type": "about:blank"}, ["/readyz gave no list of checks"]),
        ([1], ["/readyz gave no list of checks"]),
        ({"checks": [1]}, ["/readyz gave no list of checks"]),
    ],
)
def test_a_server_is_ready_when_every_check_is_well(answer: object, missing: list[str]) -> None:
    assert failing(json.dumps(answer).encode()) == missing


def test_the_age_of_a_process_is_in_seconds() -> None:
    assert 0 < age(os.getpid()) < 3 * 3600


def test_a_server_that_does_not_answer_is_not_ready() -> None:
    (sentence,) = unready("127.0.0.1", free_port())

    assert sentence.startswith("the web process does not answer: ")
