"""The database: one writer at a time with a bounded wait, times as they were, plain errors."""

from __future__ import annotations

import fcntl
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import text

from app import clock, create_app
from app.clock import from_micros, to_micros
from app.errors import StorageUnavailable
from app.models import Preference
from app.services.installation import Installation, installation
from app.services.setup import ADVISORY_LOCK, prepare
from app.write_lock import WriteLock
from tests.conftest import Postgresql, settings_in


def test_two_writers_take_turns(tmp_path: Path) -> None:
    # two locks on one file: as two processes would hold them
    first, second = WriteLock(tmp_path / "lock"), WriteLock(tmp_path / "lock")
    inside = 0
    most = 0

    def write(lock: WriteLock) -> None:
        nonlocal inside, most
        for _ in range(50):
            with lock.held():
                inside += 1
                most = max(most, inside)
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(write, lock) for lock in (first, second) * 4]:
            future.result()

    assert most == 1


def test_who_cannot_write_in_time_is_told_so_and_may_write_later(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    lock = WriteLock(path)

    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="busy"), lock.held(timeout=0.05):
            pytest.fail("the lock is not ours")

    os.close(descriptor)
    with lock.held(timeout=10):
        pass


def test_a_lock_that_came_too_late_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    lock = WriteLock(path)
    with pytest.raises(StorageUnavailable), lock.held(timeout=0.05):
        pytest.fail("the lock is not ours")

    os.close(descriptor)

    with WriteLock(path).held(timeout=10):
        pass


def test_one_helper_waits_however_often_the_lock_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    lock, before = WriteLock(path), threading.active_count()
    for _ in range(5):
        with pytest.raises(StorageUnavailable), lock.held(timeout=0.02):
            pytest.fail("the lock is not ours")
    assert threading.active_count() == before + 1

    os.close(descriptor)

    for _ in range(2):
        with lock.held(timeout=10):
            pass


def test_a_lock_that_cannot_be_opened_is_a_plain_error(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "gone" / "lock")

    with pytest.raises(StorageUnavailable, match="No such file"), lock.held(timeout=1):
        pytest.fail("there is no lock")


def test_a_fork_does_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "lock")
    with lock.held():
        child = os.fork()
        if child == 0:
            other = WriteLock(tmp_path / "lock")
            try:
                with other.held(timeout=0.05):
                    os._exit(1)
            except StorageUnavailable:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=1))),
        datetime(9998, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_a_time_is_read_as_it_was_written(site: Installation, moment: datetime) -> None:
    with site.store.writing() as connection:
        values = {"name": "t", "value": None, "updated_at": moment}
        connection.execute(Preference.__table__.insert().values(values))
    with site.store.reading() as connection:
        query = Preference.__table__.select().where(Preference.name == "t")
        row = connection.execute(query).one()

    assert row.updated_at == moment
    assert row.updated_at.tzinfo is UTC
    assert from_micros(to_micros(moment)) == moment


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        to_micros(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_an_error_rolls_everything_back(site: Installation) -> None:
    with pytest.raises(RuntimeError), site.store.writing() as connection:
        values = {"name": "t", "value": 1, "updated_at": clock.utc_now()}
        connection.execute(Preference.__table__.insert().values(values))
        raise RuntimeError

    with site.store.reading() as connection:
        query = Preference.__table__.select().where(Preference.name == "t")
        assert connection.execute(query).one_or_none() is None


def test_a_commit_survives_a_power_cut_where_it_was_promised(
    database: str, site: Installation
) -> None:
    found = {}
    for durable in (True, False):
        with site.store.writing(durable=durable) as connection:
            name = "synchronous" if database == "sqlite" else "synchronous_commit"
            statement = f"PRAGMA {name}" if database == "sqlite" else f"SHOW {name}"
            found[durable] = str(connection.execute(text(statement)).scalar())

    assert found == (
        {True: "2", False: "1"} if database == "sqlite" else {True: "on", False: "off"}
    )


def test_a_database_that_is_locked_from_outside_is_a_plain_error(
    database: str, site: Installation
) -> None:
    if database == "sqlite":
        engine = site.store.engine
        with engine.connect() as other:
            other.exec_driver_sql("COMMIT")
            other.exec_driver_sql("BEGIN IMMEDIATE")
            with engine.connect() as mine:
                mine.exec_driver_sql("PRAGMA busy_timeout=50")
            with pytest.raises(StorageUnavailable, match="locked"), site.store.writing():
                pytest.fail("the database is locked")
            other.exec_driver_sql("ROLLBACK")
    else:
        with pytest.raises(StorageUnavailable), site.store.writing() as connection:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with site.store.writing() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_a_damaged_database_is_a_plain_error(tmp_path: Path) -> None:
    path = tmp_path / "damaged.sqlite3"
    path.write_bytes(os.urandom(8192))
    store = installation(create_app(settings_in(tmp_path, f"sqlite:///{path}"))).store

    with pytest.raises(StorageUnavailable, match="not a database"), store.reading():
        pytest.fail("it cannot be read")
    with pytest.raises(StorageUnavailable, match="not a database"), store.writing():
        pytest.fail("it cannot be written")


on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@on_postgresql
def test_no_peer_can_hold_up_the_others_for_long(site: Installation) -> None:
    names = ("lock_timeout", "idle_in_transaction_session_timeout", "statement_timeout")
    with site.store.writing() as connection:
        limits = [connection.scalar(text(f"SHOW {name}")) for name in names]
        driver = connection.connection.driver_connection
        assert driver is not None
        parameters = driver.info.get_parameters()

    assert limits == ["8s", "15s", "1min"]
    wanted = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"}
    assert wanted.items() <= parameters.items()
    assert parameters["tcp_user_timeout"] == "20000"


@on_postgresql
@pytest.mark.parametrize("code", ["55P03", "57014", "25P03", "25006", "XX001"])
def test_what_the_server_gave_up_is_a_plain_error(site: Installation, code: str) -> None:
    fail = f"DO $$ BEGIN RAISE EXCEPTION 'gave up' USING ERRCODE = '{code}'; END $$"

    with pytest.raises(StorageUnavailable, match="gave up"), site.store.writing() as connection:
        connection.exec_driver_sql(fail)


@on_postgresql
def test_a_transaction_that_stood_idle_is_ended_and_the_next_one_goes_on(
    site: Installation,
) -> None:
    with pytest.raises(StorageUnavailable), site.store.writing() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 20"))
        clock.sleep(0.2)
        connection.execute(text("SELECT 1"))

    with site.store.writing() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_a_migration_waits_for_another_one_beyond_the_limits(
    postgresql: Postgresql, tmp_path: Path
) -> None:
    # options of the address come after ours, and win
    url = postgresql.new()
    options = "options=-c%20lock_timeout%3D50ms%20-c%20statement_timeout%3D50ms"
    app = create_app(settings_in(tmp_path, f"{url}{'&' if '?' in url else '?'}{options}"))
    store = installation(app).store
    with ThreadPoolExecutor(1) as pool:
        with store.engine.connect() as other:
            assert other.scalar(text("SHOW lock_timeout")) == "50ms"
            other.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            starting = pool.submit(prepare, app)
            clock.sleep(0.3)
            assert not starting.done()
        starting.result(timeout=10)
    store.engine.dispose()
