"""The supervisor over real processes: starting, restarting, stopping."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from app import clock
from tests.workers.conftest import Launch
from tests.workers.helpers import alive, ask_redis, hangup, wait_for
from workers.supervisor import pause


def test_each_process_has_its_pid_file(supervise: Launch) -> None:
    server = supervise("redis", "pair")

    pids = {server.pid(name) for name in ("supervisor", "redis-1", "worker-1", "worker-2")}

    assert len(pids) == 4
    assert server.process.pid in pids


@pytest.mark.parametrize("name", ["worker-1", "worker-2", "redis-1"])
def test_a_killed_process_is_started_again(supervise: Launch, name: str) -> None:
    server = supervise("redis", "pair")
    first = server.pid(name)

    os.kill(first, signal.SIGKILL)

    assert server.pid(name, other_than=first) != first
    server.says(f"{name} was ended by SIGKILL; starting it again at once")


def test_the_others_live_on_when_one_is_killed(supervise: Launch) -> None:
    server = supervise("redis", "pair")
    other = server.pid("worker-2")
    first = server.pid("worker-1")

    os.kill(first, signal.SIGKILL)
    server.pid("worker-1", other_than=first)

    assert server.pid("worker-2") == other


def test_what_dies_again_and_again_is_started_more_and_more_slowly(supervise: Launch) -> None:
    server = supervise("crash")

    server.says("worker-1 ended with code 1; starting it again at once")
    server.says("worker-1 ended with code 1; starting it again in 0.1 s")
    server.says("worker-1 ended with code 1; starting it again in 0.4 s")


def test_the_error_of_a_process_is_one_log_line(supervise: Launch) -> None:
    server = supervise("crash")

    server.says("starting it again")

    (line, *_) = [line for line in server.output.splitlines() if "ValueError" in line]
    assert "ERROR worker-1 workers.children: stopped by an error" in line
    assert r"first line\nsecond line" in line


def test_a_role_that_runs_once_is_not_started_again(supervise: Launch) -> None:
    server = supervise("leave", "pair")
    server.pid("worker-2")

    server.send(signal.SIGTERM)

    assert server.ends() == 0
    assert "starting it again" not in server.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_ends_every_process_and_removes_the_pid_files(
    supervise: Launch, number: signal.Signals
) -> None:
    server = supervise("redis", "pair")
    pids = [server.pid(name) for name in ("redis-1", "worker-1", "worker-2")]
    wait_for("Redis", lambda: ask_redis(server.socket, "PING"))

    server.send(number)

    assert server.ends() == 0
    assert not [pid for pid in pids if alive(pid)]
    assert not list(server.run_dir.glob("*.pid"))
    assert "Traceback" not in server.output


def test_a_hangup_stops_a_server_even_where_the_tests_run_under_nohup(supervise: Launch) -> None:
    with hangup(signal.SIG_IGN):
        server = supervise("pair")
    server.pid("worker-2")

    server.send(signal.SIGHUP)

    assert server.ends() == 0


def test_a_hangup_does_not_stop_a_server_that_was_started_with_nohup(launch: Launch) -> None:
    command = ["nohup", sys.executable, "-m", "tests.workers.fake_server", "pair"]
    server = launch("-c", f"import os; os.execvp('nohup', {command})")
    first = server.pid("worker-1")

    server.send(signal.SIGHUP)
    # A supervisor that restarts a worker has been through the wait that could take the signal.
    os.kill(first, signal.SIGKILL)

    assert server.pid("worker-1", other_than=first)
    assert "Traceback" not in server.output
    server.send(signal.SIGTERM)
    assert server.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_lets_a_worker_finish_with_redis_still_there(
    supervise: Launch, number: signal.Signals
) -> None:
    server = supervise("redis", "careful")
    wait_for("the worker", (server.data_dir / "careful").exists)
    wait_for("Redis", lambda: ask_redis(server.socket, "PING"))

    server.send_to_all(number)

    assert server.ends() == 0
    assert (server.data_dir / "last words").read_bytes() == b"+PONG\r\n"


def test_what_does_not_stop_in_time_is_killed(supervise: Launch) -> None:
    server = supervise("redis", "deaf")
    wait_for("the worker", (server.data_dir / "deaf").exists)
    worker = server.pid("worker-1")

    server.send(signal.SIGTERM)

    assert server.ends() == 0
    assert not alive(worker)


@pytest.mark.usefixtures("alone")
def test_a_second_ctrl_c_kills_at_once_but_a_doubled_one_does_not(supervise: Launch) -> None:
    server = supervise("deaf")
    wait_for("the worker", (server.data_dir / "deaf").exists)
    worker = server.pid("worker-1")

    server.send_to_all(signal.SIGINT)
    clock.sleep(0.1)
    server.send_to_all(signal.SIGINT)
    clock.sleep(0.2)
    assert alive(worker)

    clock.sleep(0.5)
    server.send_to_all(signal.SIGINT)

    assert server.ends() == 0
    assert not alive(worker)


def test_the_children_die_with_a_killed_supervisor(supervise: Launch) -> None:
    server = supervise("redis", "pair", "deaf")
    pids = [server.pid(name) for name in ("redis-1", "worker-1", "worker-2")]

    server.send(signal.SIGKILL)

    wait_for("the end of the children", lambda: not [pid for pid in pids if alive(pid)])


def test_after_a_kill_of_everything_a_new_start_simply_works(supervise: Launch) -> None:
    first = supervise("redis", "pair")
    pids = [first.pid(name) for name in ("redis-1", "worker-1", "worker-2")]
    wait_for("Redis", lambda: ask_redis(first.socket, "SET kept 1") == b"+OK\r\n")
    first.stores("kept")
    for pid in (first.process.pid, *pids):
        os.kill(pid, signal.SIGKILL)
    first.ends()

    second = supervise("redis", "pair")

    assert second.pid("worker-2", other_than=pids[2])
    wait_for("the key", lambda: ask_redis(second.socket, "GET kept") == b"$1\r\n1\r\n")


@pytest.mark.parametrize(
    ("deaths", "seconds"), [(0, 0), (1, 0), (2, 0.1), (3, 0.2), (7, 3.2), (8, 5), (5000, 5)]
)
def test_the_pause_before_a_restart_grows_to_five_seconds(deaths: int, seconds: float) -> None:
    assert pause(deaths) == pytest.approx(seconds)
