"""The product as its users have it: real processes with their own data directory and port."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clock import monotonic, sleep
from bench.databases import Database

ROOT = Path(__file__).parent.parent
KEY = "tck_bench-only-admin-key-0123456789"
SUPERVISOR = (sys.executable, "-m", "workers")
MAKE_RUN = ("make", "--silent", "run", f"VENV={sys.prefix}")
# Settings of another installation, and those of a make that runs the bench.
_OTHERS = ("TOCSIN_", "MAKE", "MFLAGS")
READY_SECONDS, STOP_SECONDS = 60.0, 60.0


@dataclass(frozen=True)
class Installation:
    """A data directory with its database and its port; the product may be started on it."""

    environ: Mapping[str, str]
    database: Database

    @property
    def data_dir(self) -> Path:
        """Where it keeps everything."""
        return Path(self.environ["TOCSIN_DATA_DIR"])

    @property
    def port(self) -> int:
        """Where it answers."""
        return int(self.environ["TOCSIN_PORT"])

    def commits(self) -> int:
        """Return in how many transactions the reports with an id were stored."""
        return self.database.commits(self.environ)

    def apart(self, module: str, *arguments: object) -> str:
        """Run a module of ours in a process of its own with these settings; returns its output."""
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self, command: Sequence[str] = SUPERVISOR) -> Iterator[Product]:
        """Start the product, wait until every check is well, and stop it at the end."""
        log = (self.data_dir / "bench.log").open("ab")
        began = monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environ, stdout=log, stderr=log, start_new_session=True
        )
        try:
            ready = _wait_ready(process, self.port, began)
            yield Product(self, ready)
        finally:
            _stop(process, self.data_dir / "run" / "supervisor.pid")
            log.close()


@dataclass(frozen=True)
class Product:
    """The running product; `ready_seconds` is how long it took from exec to every check well."""

    installation: Installation
    ready_seconds: float

    @property
    def port(self) -> int:
        """Where it answers."""
        return self.installation.port

    def processes(self) -> Mapping[str, int]:
        """Return the pid of each of its processes, as its pid files say."""
        files = sorted((self.installation.data_dir / "run").glob("*.pid"))
        return {file.stem: int(file.read_text()) for file in files}

    def cpu_seconds(self) -> float:
        """Return the processor time that all its processes have used since they were started."""
        return sum(_ticks(pid) for pid in self.processes().values()) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    user, system = fields[11:13]  # fields 14 and 15 of proc(5)
    return int(user) + int(system)


def install(directory: Path, database: Database) -> Installation:
    """Return a new, empty installation."""
    data_dir = directory / f"data-{len(list(directory.glob('data-*')))}"
    data_dir.mkdir(mode=0o700)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    environ |= {
        "TOCSIN_DATA_DIR": str(data_dir),
        "TOCSIN_PORT": str(_free_port()),
        "TOCSIN_API_KEY": KEY,
        **database.environ(data_dir),
    }
    return Installation(environ, database)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(process: subprocess.Popen[bytes], port: int, began: float) -> float:
    while monotonic() - began < READY_SECONDS:
        assert process.poll() is None, f"the product ended with {process.returncode}; see bench.log"
        if _is_ready(port, monotonic() - began):
            return monotonic() - began
        sleep(0.01)
    raise AssertionError("the product did not become ready")


def _is_ready(port: int, age: float) -> bool:
    """Whether every check is well; a worker that was seen before this start does not count."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        document: Any = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    checks = document["checks"]
    fresh = all((checks[name]["value"] or age) < age for name in ("worker", "scheduler"))
    return fresh and document["status"] == "ok"


def _stop(process: subprocess.Popen[bytes], pid_file: Path) -> None:
    """Ask the supervisor itself: make would be ended by the signal and leave it behind."""
    if process.poll() is None:
        os.kill(int(pid_file.read_text()) if pid_file.exists() else process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
