"""Databases that cannot be used: the start refuses in one line, and leaves no process."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.harness.disks import bound_by_modes
from tests.harness.product import Product

UNUSABLE, WRONG_SETTING = 4, 2
FILE = "tocsin.sqlite3"


def _header(path: Path) -> None:
    _overwrite(path, 0, 100)


def _middle(path: Path) -> None:
    size = path.stat().st_size
    _overwrite(path, size // 2, size // 4)


def _overwrite(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(os.urandom(length))


def _half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "random bytes in the header": (_header, "is damaged: file is not a database"),
    "bytes overwritten in the middle": (_middle, "is damaged: "),
    "truncated": (_half, "is damaged: "),
    "empty": (_empty, "is empty"),
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_database_that_cannot_be_used_stops_the_start_in_one_line(
    installed: Product, sqlite_template: Path
) -> None:
    elsewhere = installed.data.parent / "elsewhere"
    for directory in (elsewhere, installed.data):
        directory.mkdir(mode=0o700)
    path = elsewhere / FILE
    installed.environ["TOCSIN_DATABASE_URL"] = f"sqlite:///{path}"

    for damage, words in DAMAGES.values():
        shutil.copyfile(sqlite_template, path)
        damage(path)
        code, line = installed.refuse()
        assert code == UNUSABLE, line
        assert line.startswith(f"tocsin: The database {path}"), line
        assert words in line
        assert "put a backup in its place" in line
        _remove(path)

    shutil.copyfile(sqlite_template, path)  # as the line says
    for where, (mode, expected, words) in {
        path: (0o400, UNUSABLE, f"{path} cannot be written: "),
        elsewhere: (0o500, UNUSABLE, f"{path} cannot be written: "),
        installed.data: (0o500, WRONG_SETTING, "TOCSIN_DATA_DIR: "),
    }.items():
        before = where.stat().st_mode
        where.chmod(mode)
        code, line = installed.refuse(bound_by_modes())
        where.chmod(before)
        assert (code, words in line) == (expected, True), line

    installed.start()
    installed.check()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_a_database_of_a_newer_version_stops_the_start_in_one_line(
    installed: Product, database: str, sqlite_template: Path
) -> None:
    installed.data.mkdir(mode=0o700)
    if database == "sqlite":
        shutil.copyfile(sqlite_template, installed.data / FILE)
    head = _version(installed, "9999")

    code, line = installed.refuse()

    assert code == UNUSABLE, line
    assert "9999, newer than this Tocsin" in line
    assert "Install the newer Tocsin again" in line
    _version(installed, head)
    installed.check()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_postgresql_that_is_away_stops_the_start_in_one_line(installed: Product) -> None:
    url = installed.environ["TOCSIN_DATABASE_URL"]
    installed.environ["TOCSIN_DATABASE_URL"] = "postgresql://tocsin@/tocsin?host=/nonexistent"

    code, line = installed.refuse()

    assert (code, "See to TOCSIN_DATABASE_URL" in line) == (UNUSABLE, True), line
    installed.environ["TOCSIN_DATABASE_URL"] = url
    installed.check()


def _remove(path: Path) -> None:
    for file in path.parent.glob(f"{FILE}*"):
        file.unlink()


def _version(product: Product, number: str) -> str:
    """Change the version of the database; return the one before."""
    wanted = "SELECT version_num FROM alembic_version"
    change = "UPDATE alembic_version SET version_num = "
    url = product.environ.get("TOCSIN_DATABASE_URL")
    if url is None:
        with closing(sqlite3.connect(product.data / FILE, isolation_level=None)) as connection:
            (before,) = connection.execute(wanted).fetchone()
            connection.execute(change + "?", (number,))
        return str(before)
    with psycopg.connect(url, autocommit=True) as server:
        (before,) = server.execute(wanted).fetchone() or ("",)
        server.execute(change + "%s", (number,))
    return str(before)
