"""Real processes for the tests of workers/: started, watched with bounded waits, always ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from app import clock
from app.sockets import reachable
from tests.harness import preloaded
from tests.harness.preloaded import Forked
from tests.harness.product import free_port

# Generous, since a busy machine is slow; a test that passes waits only as long as it must.
PATIENCE = 40.0
T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]


def wait_for(what: str, look: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Return the first true answer of `look`; fails the test after `seconds`."""
    deadline = clock.monotonic() + seconds
    while not (found := look()):
        assert clock.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        clock.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    """Say whether a process runs; a dead one that nobody has buried does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def ask_redis(path: Path, command: str) -> bytes:
    """Return what the server on the socket answers to an inline command; b"" when it is away."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(reachable(path))
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(4096)
    except OSError:
        return b""


@contextmanager
def hangup(action: Callable[[int, object], None] | signal.Handlers) -> Iterator[None]:
    """Take `action` for SIGHUP in this process, and what it had before afterwards."""
    before = signal.signal(signal.SIGHUP, action)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _drop(_number: int, _frame: object) -> None:
    """Do nothing: a signal that has a handler gets its default action back with the exec."""


def _started(
    arguments: Sequence[str], environ: Mapping[str, str], output: int
) -> subprocess.Popen[bytes] | Forked:
    if arguments[0] == "-m":
        return preloaded.start(environ, output, *arguments[1:])
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environ,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


class Running:
    """A `python …` of its own process group, with its output in a file."""

    def __init__(self, data_dir: Path, *arguments: str, **environ: str) -> None:
        self.data_dir = data_dir
        self.run_dir = data_dir / "run"
        self.socket = self.run_dir / "redis.sock"
        self._output = data_dir.parent / f"output-{free_port()}"
        # Under nohup this process ignores SIGHUP, and whatever it starts would do so as well.
        with self._output.open("wb") as output, hangup(_drop):
            self.process = _started(arguments, environment(data_dir, environ), output.fileno())

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(encoding="utf-8")

    def pid(self, name: str, other_than: int = 0) -> int:
        """Return the pid in run/`name`.pid, waiting until it is there and not `other_than`."""

        def look() -> int:
            try:
                found = int((self.run_dir / f"{name}.pid").read_text(encoding="ascii"))
            except FileNotFoundError:
                return 0
            return found if found != other_than and alive(found) else 0

        return wait_for(f"{name}.pid", look)

    def stores(self, key: str) -> None:
        """Wait until `key` is in the append-only file: during an fsync, Redis answers before."""

        def look() -> bool:
            files = self.data_dir.glob("redis/appendonlydir/*.incr.aof")
            return any(key.encode() in file.read_bytes() for file in files)

        wait_for(f"{key} on disk", look)

    def says(self, text: str) -> None:
        """Wait until `text` is in the output."""
        wait_for(f"{text!r} in the output", lambda: text in self.output)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self.process.send_signal(number)

    def send_to_all(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, as a terminal does for Ctrl-C."""
        os.killpg(self.process.pid, number)

    def ends(self) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(PATIENCE)

    def clean_up(self) -> None:
        """Kill the process, and with it (by the kernel) its children."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)


def environment(data_dir: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a server on `data_dir`, without the settings of the caller."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return {**kept, "TOCSIN_DATA_DIR": str(data_dir), "TOCSIN_PORT": str(free_port()), **more}
