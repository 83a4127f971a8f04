"""The embedded Redis: its socket, its files, and what another start left behind."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.sockets import LONGEST, reachable
from tests.workers.conftest import Launch
from tests.workers.helpers import Running, alive, ask_redis, wait_for
from workers.embedded_redis import damaged, replace_orphan

ALONE = """
from app import config
from workers.embedded_redis import EmbeddedRedis
EmbeddedRedis(config.load()).run()
"""


def answers(server: Running) -> bool:
    return ask_redis(server.socket, "PING") == b"+PONG\r\n"


def test_the_server_listens_on_a_private_unix_socket_only(supervise: Launch) -> None:
    server = supervise("redis")
    wait_for("Redis", lambda: answers(server))

    assert server.socket.stat().st_mode & 0o777 == 0o700
    assert ask_redis(server.socket, "CONFIG GET port").endswith(b"$1\r\n0\r\n")


def test_it_keeps_its_data_over_a_stop_and_refuses_what_is_too_much(supervise: Launch) -> None:
    server = supervise("redis")
    wait_for("Redis", lambda: answers(server))

    assert b"everysec" in ask_redis(server.socket, "CONFIG GET appendfsync")
    assert b"noeviction" in ask_redis(server.socket, "CONFIG GET maxmemory-policy")
    assert b"134217728" in ask_redis(server.socket, "CONFIG GET maxmemory")


def test_it_does_not_see_the_secrets_of_the_environment(supervise: Launch) -> None:
    server = supervise("redis", TOCSIN_API_KEY="k" * 30)
    wait_for("Redis", lambda: answers(server))

    environ = Path(f"/proc/{server.pid('redis-1')}/environ").read_bytes()

    assert b"TOCSIN" not in environ


def test_a_data_directory_with_a_long_path_works(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 40) / "data"
    data_dir.mkdir(parents=True)
    server = Running(data_dir, "-m", "tests.workers.fake_server", "redis")
    try:
        assert len(os.fsencode(server.socket)) > LONGEST
        wait_for("Redis", lambda: answers(server))
        assert len(reachable(server.socket)) <= LONGEST
    finally:
        server.clean_up()


@pytest.mark.parametrize("frozen", [False, True])
def test_an_orphan_is_replaced(launch: Launch, supervise: Launch, *, frozen: bool) -> None:
    orphan = launch("-c", ALONE)
    wait_for("the orphan", lambda: ask_redis(orphan.socket, "SET kept 1") == b"+OK\r\n")
    orphan.stores("kept")
    if frozen:
        orphan.send(signal.SIGSTOP)

    server = supervise("redis")

    orphan.ends()
    wait_for("the key", lambda: ask_redis(server.socket, "GET kept") == b"$1\r\n1\r\n")
    server.says(f"left behind (pid {orphan.process.pid})")
    assert not alive(orphan.process.pid)


def test_a_stale_socket_is_removed(data_dir: Path) -> None:
    path = data_dir / "redis.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    replace_orphan(path)

    assert not path.exists()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5)


def scribble(path: Path) -> None:
    path.write_bytes(b"\0 not commands \r\n" * 20)


def leave_with_data(supervise: Launch) -> Path:
    """Run a server, give it two keys, kill it; return the folder of its append-only file."""
    server = supervise("redis")
    wait_for("Redis", lambda: answers(server))
    assert ask_redis(server.socket, "SET first 1") == b"+OK\r\n"
    assert ask_redis(server.socket, "SET second 2") == b"+OK\r\n"
    server.stores("second")
    pid = server.pid("redis-1")
    server.send(signal.SIGKILL)
    wait_for("its end", lambda: not alive(pid))
    return server.data_dir / "redis" / "appendonlydir"


def test_a_file_cut_by_a_crash_is_read_as_far_as_it_goes(supervise: Launch) -> None:
    folder = leave_with_data(supervise)
    cut(folder / "appendonly.aof.1.incr.aof")

    server = supervise("redis")

    wait_for("the first key", lambda: ask_redis(server.socket, "GET first") == b"$1\r\n1\r\n")
    assert ask_redis(server.socket, "GET second") == b"$-1\r\n"
    assert not list(server.data_dir.glob("redis.damaged-*"))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("appendonly.aof.1.incr.aof", scribble),
        ("appendonly.aof.1.incr.aof", Path.unlink),
        ("appendonly.aof.1.base.rdb", scribble),
        ("appendonly.aof.1.base.rdb", cut),
        ("appendonly.aof.manifest", scribble),
    ],
)
def test_a_damaged_file_is_set_aside_and_the_server_starts_empty(
    supervise: Launch, name: str, damage: Callable[[Path], None]
) -> None:
    folder = leave_with_data(supervise)
    (folder.parent.parent / "redis.damaged-1").mkdir()
    damage(folder / name)

    server = supervise("redis")

    wait_for("Redis", lambda: answers(server))
    assert ask_redis(server.socket, "DBSIZE") == b":0\r\n"
    assert (server.data_dir / "redis.damaged-2" / "appendonlydir").is_dir()
    assert "was damaged: moved to" in server.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("Failed opening Unix socket: bind: No such file or directory", False),
        ("Server initialized\nBad file format reading the append only file", True),
        ("Server initialized\nCan't open the append-only file: Permission denied", False),
        ("Server initialized\nWrite error: No space left on device", False),
        ("Server initialized\nReady to accept connections unix\nOut of memory", False),
    ],
)
def test_only_a_file_that_cannot_be_read_counts_as_damaged(text: str, *, expected: bool) -> None:
    assert damaged(text) is expected
