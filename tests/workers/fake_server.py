"""A real supervisor over fake roles: `python -m tests.workers.fake_server ROLE …`."""

from __future__ import annotations

import os
import signal
import sys
import threading

from app import clock, config, logs
from tests.workers.helpers import ask_redis
from workers import children, runfiles
from workers.embedded_redis import EmbeddedRedis
from workers.supervisor import Role, Supervisor

SETTINGS = config.load()


def wait(_number: int) -> None:
    """Do nothing until SIGTERM kills it."""
    signal.pause()


def deaf(_number: int) -> None:
    """Take no notice of SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (SETTINGS.data_dir / "deaf").touch()
    while True:
        clock.sleep(1)


def careful(_number: int) -> None:
    """Finish something that needs Redis after SIGTERM, and write down what Redis said."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    # RQ and others install such a handler; a Ctrl-C must not reach it.
    signal.signal(signal.SIGINT, lambda *_: os._exit(9))
    (SETTINGS.data_dir / "careful").touch()
    asked.wait()
    clock.sleep(0.5)
    (SETTINGS.data_dir / "last words").write_bytes(ask_redis(SETTINGS.redis_socket, "PING"))


def crash(_number: int) -> None:
    """End at once, with an error of two lines."""
    raise ValueError("first line\nsecond line")


def leave(_number: int) -> None:
    """End at once, without an error."""


def main() -> None:
    """Run the roles that the command line names."""
    children.hold_signals()
    logs.configure(SETTINGS, "supervisor")
    lock = runfiles.lock(SETTINGS.run_dir)

    def enter(name: str) -> None:
        logs.configure(SETTINGS, name)
        os.close(lock)

    table = {
        "redis": EmbeddedRedis(SETTINGS).role(),
        "pair": Role("worker", 2, wait),
        "deaf": Role("worker", 1, deaf),
        "careful": Role("worker", 1, careful),
        "crash": Role("worker", 1, crash),
        "leave": Role("setup", 1, leave, once=True),
    }
    supervisor = Supervisor(SETTINGS.run_dir, enter, stop_seconds=2.0)
    try:
        supervisor.add(table[name] for name in sys.argv[1:])
        supervisor.run()
    finally:
        supervisor.stop()


if __name__ == "__main__":
    main()
