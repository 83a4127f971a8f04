"""An upgrade: a database of the first release keeps every row, and all that came later works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from flask import Flask
from sqlalchemy import Connection, Engine, MetaData, insert, select, text

from app import create_core
from app.services import search_fill
from app.services.installation import Installation, installation
from app.services.reading import deliveries, failures, integrations_list
from app.services.reading.deliveries import DeliveryQuery
from app.services.reading.failures import FailureQuery
from app.services.reading.integrations_list import IntegrationQuery
from app.services.setup import HEAD, SCRIPTS, prepare
from app.shapes import parse
from tests.conftest import Postgresql, settings_in

OLD = "0002"
AT = 1_700_000_000_000_000
NUMBER = 60
SYSTEM = {"id": 1, "name": "mail", "kind": "smtp", "status": "active", "version": ""}
INTEGRATIONS = (
    {"id": 1, "key": "jira", "name": "Jira to ServiceNow", "system1": "Jira", "system2": "Now"},
    {"id": 2, "key": "sap", "name": "SAP to Salesforce", "system1": "SAP", "system2": "Sales"},
)
DIRECTIONS = tuple(
    {"id": n, "integration_id": 1 + n // 3, "direction": way, "active": n != 3}
    for n, way in enumerate(("forward", "backward", "forward", "backward"), 1)
)


@pytest.fixture
def old(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Flask:
    """An application whose database is the one that an older release has left."""
    url = None
    if database == "postgresql":
        server: Postgresql = request.getfixturevalue("postgresql")
        server.run("DROP DATABASE IF EXISTS tocsin_old", "CREATE DATABASE tocsin_old")
        url = server.url("tocsin_old")
    (tmp_path / "data").mkdir(mode=0o700)
    app = create_core(settings_in(tmp_path, url))
    with installation(app).store.writing() as connection:
        settings = Config()
        settings.set_main_option("script_location", str(SCRIPTS))
        settings.attributes["connection"] = connection
        command.upgrade(settings, OLD)
    return app


def _failure(n: int) -> dict[str, Any]:
    processing = {"kind": "processing", "entity_type": "Order", "entity_id": f"ORDER-{n}"}
    return {
        "id": n,
        "identity": n.to_bytes(32, "big"),
        "error_type": "integration",
        "state": "open" if n % 3 else "resolved",
        "integration_id": 1,
        "direction_id": 1,
        "direction": "forward",
        "error_code": f"E-{n % 4}",
        "message": f"Grüße vom Ziel {n}: needle{n}",
        "first_logged_at": AT,
        "last_logged_at": AT + n,
        "notified_at": AT + n if n % 2 else None,
        "notified_delivery_id": 1 if n % 2 else None,
        **(processing if n % 5 else {"kind": "global", "entity_type": None, "entity_id": None}),
    }


def _fill(connection: Connection) -> None:
    """Write rows of an old release; columns that are not told get a value of their type."""
    tables = MetaData()
    tables.reflect(connection)
    told = [_failure(n) for n in range(1, NUMBER + 1)]
    sent = {"id": 1, "kind": "failure", "state": "delivered", "system_id": 1, "integration_id": 1}
    items = [{"delivery_id": 1, "failure_id": n} for n in range(1, NUMBER + 1, 2)]
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = {
        "systems": [SYSTEM],
        "integrations": INTEGRATIONS,
        "directions": DIRECTIONS,
        "failures": told,
        "deliveries": [{**sent, "direction": "forward"}],
        "delivery_items": items,
    }
    fillers: Mapping[type, Any] = {int: 0, str: "", bool: False, dict: {}, bytes: b""}
    for name, given in rows.items():
        table = tables.tables[name]
        rest = {
            column.name: fillers.get(column.type.python_type, 0)
            for column in table.columns
            if not column.nullable and not column.primary_key
        }
        connection.execute(insert(table), [{**rest, **row} for row in given])


def _rows(engine: Engine, columns: Mapping[str, Sequence[str]] | None) -> dict[str, Any]:
    """Return all rows of all tables: those of `columns`, or all."""
    tables = MetaData()
    tables.reflect(engine)
    found = {}
    with engine.connect() as connection:
        for name in columns or tables.tables:
            table = tables.tables[name]
            wanted = columns[name] if columns else table.columns.keys()
            read = connection.execute(select(*(table.c[one] for one in wanted)))
            found[name] = tuple(wanted), sorted(map(repr, read))
    return found


# It is read for its rows; what stands on an expression has none of its own.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_an_upgrade_keeps_every_row(old: Flask) -> None:
    store = installation(old).store
    with store.writing() as connection:
        _fill(connection)
    kept = {name: rows for name, rows in _rows(store.engine, None).items() if name != VERSION}
    assert len(kept["failures"][1]) == NUMBER
    prepare(old)
    now = _rows(store.engine, {name: names for name, (names, _) in kept.items()})
    mine = {name: rows for name, rows in kept.items() if rows[1]}
    assert {name: now[name] for name in mine} == mine
    ((_, (version,)),) = _rows(store.engine, {VERSION: ["version_num"]}).values()
    assert HEAD in version
    store.engine.dispose()


VERSION = "alembic_version"


def test_what_an_old_release_left_is_listed_searched_and_worked_on(old: Flask) -> None:
    site = installation(old)
    with site.store.writing() as connection:
        _fill(connection)
    prepare(old)
    assert _found(site, state="resolved") == NUMBER // 3
    assert _found(site, entityId="ORDER-7") == 1
    assert search_fill.fill(site) == NUMBER
    assert search_fill.fill(site) == 0
    assert (_found(site, q="NEEDLE17"), _found(site, message="GRÜSSE")) == (1, 0)
    assert _found(site, q="GRÜßE") == NUMBER
    told = deliveries.page(site, parse(DeliveryQuery, {"failure": "7"})).items
    assert [one.item_count for one in told] == [0]
    names = integrations_list.page(site, parse(IntegrationQuery, {})).items
    assert [one.name for one in names] == ["Jira to ServiceNow", "SAP to Salesforce"]
    site.store.engine.dispose()


def _found(site: Installation, **given: str) -> int:
    return len(failures.page(site, parse(FailureQuery, {"limit": "100", **given})).items)


def test_texts_that_were_kept_with_capitals_are_read_once_more(old: Flask, database: str) -> None:
    """Those of PostgreSQL, which kept them as they were reported; SQLite's index minds no case."""
    site = installation(old)
    with site.store.writing() as connection:
        _fill(connection)
        settings = Config()
        settings.set_main_option("script_location", str(SCRIPTS))
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0006")
        mark = {"name": search_fill.ROW, "value": '{"at": "2026-01-01T00:00:00+00:00", "id": 0}'}
        connection.execute(
            text("INSERT INTO settings (name, value, updated_at) VALUES (:name, :value, 0)"),
            mark,
        )
    prepare(old)
    assert search_fill.fill(site) == (NUMBER if database == "postgresql" else 0)
    site.store.engine.dispose()
