"""The real product as real processes: started, asked, killed, checked; always ended.

Nothing here knows the inside: environment, pid files, HTTP, Redis and the command line. (A check
runs the command in this process; a process of its own would load everything anew each time.)
"""

from __future__ import annotations

import http
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

from redis import Redis

from app import clock, config, create_app
from app.services.installation import installation as site_of
from tests.harness import preloaded
from tests.harness.client import BROKEN, Api
from tests.harness.preloaded import Forked
from tests.harness.waiting import PATIENCE, eventually

ROOT = preloaded.ROOT
PROCESSES = ("redis-1", "web-1", "web-2", "worker-1", "scheduler-1")

# Ports below those that the kernel gives out by itself; each worker of `make test` has a range.
FIRST_PORT, PORTS, RANGES = 12_000, 2_000, 10
_begin = FIRST_PORT + PORTS * (
    int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % RANGES
)
_ports = islice(cycle(range(_begin, _begin + PORTS)), secrets.randbelow(PORTS), None)


def free_port() -> int:
    """Return a port of loopback that is free now, and that nobody else is told meanwhile."""
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def alive(pid: int) -> bool:
    """Say whether a process runs; a dead one that nobody has buried does not.

    One whose first thread is dead still holds its ports while others of its threads end.
    """
    stat = _stat(pid)
    return bool(stat) and (stat[0] not in "ZX" or int(stat[17]) > 1)


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def children(parent: int) -> list[int]:
    """Return the pids of the children of a process."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return [int(pid) for pid in found.split()]


def _session(leader: int) -> list[int]:
    """Return the living processes of the session that a process has begun."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    found = [pid for pid in pids if (stat := _stat(pid)) and int(stat[3]) == leader]
    return [pid for pid in found if alive(pid)]


class Product:
    """One installation in a directory (a short path, as it holds a unix socket)."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self.data = directory
        self.run_dir = directory / "run"
        self.port = free_port()
        self.api = Api(self.port)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        self.environ = {**kept, **environ, "TOCSIN_PORT": str(self.port)}
        self.output_file = directory.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | Forked | None = None
        # Whether it starts from nothing, as its users start it; see tests/harness/preloaded.py.
        self.cold = False

    # Starting and stopping

    def launch(self, **more: str) -> subprocess.Popen[bytes] | Forked:
        """Start the supervisor and return at once; `more` are settings without TOCSIN_."""
        assert self._process is None or self._process.poll() is not None, "it runs already"
        environ = self.environ | {f"TOCSIN_{name}": value for name, value in more.items()}
        with self.output_file.open("ab") as output:
            if not self.cold:
                self._process = preloaded.start(environ, output.fileno())
                return self._process
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workers"],
                cwd=ROOT,
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._process

    def refuse(self, before: Sequence[str] = ()) -> tuple[int, str]:
        """Start what must refuse; return its exit code and the one line that says why.

        Fails when it prints more than that, or leaves a process.
        """
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "workers"],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _, said = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()  # the kernel ends its children with it
            raise
        assert not _session(process.pid), "a process is left"
        (line,) = said.splitlines()
        return process.returncode, line

    def start(self, **more: str) -> Product:
        """Start it and wait until every check of /readyz is well."""
        process = self.launch(**more)

        def look() -> bool:
            assert process.poll() is None, self.output
            return self.ready()

        eventually("a ready product", look)
        return self

    def stop(self) -> float:
        """Stop it by SIGTERM; return how many seconds that took. Fails when anything is left."""
        assert self._process is not None
        family, began = self._family(), clock.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(PATIENCE)
        took = clock.monotonic() - began
        assert code == 0, f"it ended with {code}: {self.output}"
        assert not [pid for pid in family if alive(pid)], "a process is left"
        return took

    def clean_up(self) -> None:
        """End whatever is left: by a kill, since a test of stopping says stop()."""
        self.api.close()
        if self._process is not None and self._process.poll() is None:
            self.kill_all()

    @property
    def output(self) -> str:
        """What it has printed so far, over all starts."""
        return self.output_file.read_text(encoding="utf-8", errors="replace")

    # Its processes

    @property
    def supervisor(self) -> int:
        """The pid of the supervisor, which this harness started."""
        assert self._process is not None
        return self._process.pid

    def pid(self, name: str, other_than: int = 0) -> int:
        """Return the pid of a process, waiting until there is one that is not `other_than`."""

        def look() -> int:
            found = self._pid_now(name)
            return found if found != other_than and alive(found) else 0

        return eventually(f"{name} to run", look)

    def _pid_now(self, name: str) -> int:
        try:
            return int((self.run_dir / f"{name}.pid").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to one process, a child of our own supervisor; return its pid."""
        pid = self.pid(name)
        stat = _stat(pid)
        if stat:
            assert int(stat[1]) == self.supervisor, f"{name}.pid names a process of others"
            os.kill(pid, number)
        return pid

    def kill_all(self) -> None:
        """Kill -9 of every process at once, the supervisor first so that it restarts nothing."""
        family = self._family()
        for pid in (self.supervisor, *family):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        assert self._process is not None
        self._process.wait(PATIENCE)
        # With it, by the kernel, also die those of its children that have no pid file yet.
        leader = self._process.pid
        eventually("their end", lambda: not any(map(alive, family)) and not _session(leader))

    def _family(self) -> list[int]:
        """Return the children of our supervisor that have a pid file."""
        pids = [self._pid_now(path.stem) for path in self.run_dir.glob("*-*.pid")]
        return [pid for pid in pids if (s := _stat(pid)) and int(s[1]) == self.supervisor]

    def restarted(self, name: str, before: int) -> int:
        """Wait until another process than `before` has the name, and return its pid."""
        return self.pid(name, other_than=before)

    # What it says

    def ready(self) -> bool:
        """Say whether every check of /readyz is well."""
        try:
            answer = self.api.ask("GET", "/readyz", timeout=5)
        except BROKEN:
            return False
        return answer.status == http.HTTPStatus.OK and answer.document["status"] == "ok"

    def redis(self) -> Redis:
        """Return a client of its Redis; the caller closes it."""
        url = self.environ.get("TOCSIN_REDIS_URL")
        if url:
            return Redis.from_url(url)
        path = os.path.relpath(self.run_dir / "redis.sock")
        own = str(self.run_dir / "redis.sock")
        return Redis(unix_socket_path=min(path, own, key=len))

    def check(self) -> None:
        """Fail when `flask tocsin check` finds a broken invariant."""
        app = create_app(config.load(self.environ))
        try:
            result = app.test_cli_runner().invoke(args=["tocsin", "check"])
        finally:
            site_of(app).store.engine.dispose()
        assert (result.exit_code, result.output) == (0, "0 violations\n"), result.output

    def flask(self, *arguments: str) -> str:
        """Run `flask …` on the installation, as a process; return what it printed."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=True,
        ).stdout

    # Fail points

    @property
    def fired(self) -> set[int]:
        """The armed points that have killed their process."""
        found = self.run_dir.glob("failpoint-*.fired")
        return {int(path.stem.removeprefix("failpoint-")) for path in found}

    def rearm(self) -> None:
        """Let the armed points fire once more."""
        for number in self.fired:
            (self.run_dir / f"failpoint-{number}.fired").unlink(missing_ok=True)
