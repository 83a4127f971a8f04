"""`python -m MODULE` without the wait for its libraries: forked from a process that has them.

Loading is most of a start, and the fault tests start the product hundreds of times. What is forked
knows nothing of the test, and runs the same module from its first line, with the environment, the
session and the output that it is given. The stories in tests/smoke start it from nothing instead.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock

from app import clock

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "alembic.command",
    "app",
    "app.services.setup",
    "psycopg",
    "workers.server",
    "workers.scheduler",
    "workers.worker",
)
LARGEST = 128 * 1024


class Forked:
    """A process that was forked; like subprocess.Popen as far as a test needs it."""

    def __init__(self, parent: _Parent, pid: int) -> None:
        self._parent, self.pid = parent, pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, a negative one for a signal; None while it runs."""
        if self._code is None:
            self._code = self._parent.ask(self.pid)
        return self._code

    def wait(self, timeout: float) -> int:
        """Wait for its end and return its exit code; raises subprocess.TimeoutExpired."""
        deadline = clock.monotonic() + timeout
        while (code := self.poll()) is None:
            if clock.monotonic() > deadline:
                raise subprocess.TimeoutExpired("workers", timeout)
            clock.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.send_signal(signal.SIGKILL)


class _Parent:
    """The other end of the process that forks; it ends when this one does."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__], cwd=ROOT, env=kept, stdin=theirs.fileno()
            )
        self._one_at_a_time = Lock()
        atexit.register(self._end)

    def start(self, environ: Mapping[str, str], output: int, command: Sequence[str]) -> Forked:
        """Fork a process with that environment that prints to the file `output`."""
        asked = json.dumps({"environ": dict(environ), "command": list(command)})
        with self._one_at_a_time:
            socket.send_fds(self._socket, [asked.encode()], [output])
            return Forked(self, int(self._socket.recv(LARGEST)))

    def ask(self, pid: int) -> int | None:
        """Return the exit code of a process that was forked; None while it runs."""
        with self._one_at_a_time:
            self._socket.send(json.dumps(pid).encode())
            code: int | None = json.loads(self._socket.recv(LARGEST))
            return code

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()


@cache
def _parent() -> _Parent:
    return _Parent()


def start(environ: Mapping[str, str], output: int, *command: str) -> Forked:
    """Start `python -m COMMAND` in a session of its own, with that environment and output."""
    return _parent().start(environ, output, command or ("workers",))


def _load() -> None:
    for name in MODULES:
        import_module(name)
    for package in ("app.admin", "app.api"):
        for name in import_module(package).MODULES:
            import_module(f"{package}.{name}")
    gc.freeze()


def _exit_code(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def _run(environ: Mapping[str, str], command: Sequence[str], output: int) -> None:
    """Become what was asked for, in the child; raises SystemExit at its end, as its module does."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, wanted in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(given, wanted)
    os.close(nothing)
    os.close(output)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    random.seed()
    module, *sys.argv[1:] = command
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


def main() -> None:
    """Fork what is asked for, and tell exit codes, until nobody is there to ask."""
    _load()
    ours = socket.socket(fileno=0)
    while True:
        data, outputs, _, _ = socket.recv_fds(ours, LARGEST, 1)
        if not data:
            return
        asked = json.loads(data)
        if isinstance(asked, int):
            ours.send(json.dumps(_exit_code(asked)).encode())
            continue
        (output,) = outputs
        pid = os.fork()
        if not pid:
            ours.detach()
            _run(**asked, output=output)
        os.close(output)
        ours.send(str(pid).encode())


if __name__ == "__main__":
    main()
