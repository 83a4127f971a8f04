"""An installation with many failures; `python -m bench.listed SIZE`, never run by who measures.

Prints as JSON the pages that bench/lists.py asks for: [sort of read, path] by name.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sqlalchemy import Connection, text

from app import create_app
from app.clock import to_micros, utc_now
from app.models import (
    Integration,
    IntegrationDirection,
    Registration,
    RegistrationDirection,
    System,
)
from app.services import failure_bulk, search_fill
from app.services.failures import Action
from app.services.installation import Installation, installation
from app.services.setup import prepare
from app.storage import without_limits
from bench.clock import monotonic
from bench.listed_pages import pages

INTEGRATIONS = 10_000
INACTIVE = 3
WAYS = ("forward", "backward")
SERVER = {"server": "127.0.0.1", "port": 9, "encryption": "none"}
_LIKE = {
    "sqlite": {
        "kept": "",
        "newline": "char(10)",
        "identity": "CAST(printf('%032d', n) AS BLOB)",
        "numbers": "WITH RECURSIVE seq(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM seq"
        " WHERE n < :size)",
    },
    "postgresql": {
        "kept": "lower",
        "newline": "chr(10)",
        "identity": "decode(lpad(to_hex(n), 64, '0'), 'hex')",
        "numbers": "WITH seq AS (SELECT CAST(generate_series(1, CAST(:size AS bigint)) AS bigint)"
        " AS n)",
    },
}
# What looks random: multiples of n modulo a prime, each of the texts below by one of its own.
_DICE = {name: f"(n * {by} % 2147483647)" for name, by in {
    "a": 48271, "b": 69621, "c": 16807, "d": 39373, "e": 742938, "f": 630360, "g": 950706,
}.items()}  # fmt: skip
# A half of the failures is of 200 integrations, so that some have thousands.
_FAILURES = """
    INSERT INTO failures (id, identity, error_type, kind, state, integration_id, direction_id,
        direction, system_id, reason, error_code, message, entity_type, entity_id, accessible,
        count, first_logged_at, last_logged_at, episode, notified_at, notified_delivery_id)
    {numbers}, made AS (
        SELECT n, n % 1000 = 7 AS other, {d} % 10 = 0 AS told,
            1 + CASE WHEN {f} % 2 = 0 THEN {a} % 200 ELSE {a} % 10000 END AS whose,
            :now - 3600000000 - (:size - n) * (5000000000000 / :size) AS at, 1 + {b} % 30 AS code
        FROM seq)
    SELECT n, {identity}, CASE WHEN other THEN 'other' ELSE 'integration' END,
        CASE WHEN other THEN NULL WHEN {e} % 5 = 0 THEN 'global' ELSE 'processing' END,
        CASE WHEN {c} % 10 < 7 THEN 'open' ELSE 'resolved' END,
        CASE WHEN NOT other THEN whose END,
        CASE WHEN NOT other THEN 2 * whose - CASE WHEN {g} % 10 = 0 THEN 0 ELSE 1 END END,
        CASE WHEN other THEN NULL WHEN {g} % 10 = 0 THEN 'backward' ELSE 'forward' END,
        CASE WHEN other THEN 1 END, CASE WHEN other THEN 'refused' END,
        CASE WHEN n = :size / 20 THEN 'E-RARE' WHEN {b} % 50 > 0 THEN 'E-' || code END,
        'The target answered ' || code || ' to PUT /orders/' || n || ': '
            || CASE {c} % 10 WHEN 0 THEN 'timeout' WHEN 1 THEN 'refused' WHEN 2 THEN 'invoice'
               WHEN 3 THEN 'customer' WHEN 4 THEN 'field' WHEN 5 THEN 'mapping' WHEN 6 THEN
               'conflict' WHEN 7 THEN 'gateway' WHEN 8 THEN 'quota' ELSE 'schema' END
            || ' 0.' || {a} || CASE WHEN n = :size / 20 THEN ' cataclysm' ELSE '' END,
        'Order', 'ORDER-' || n, true, 1, at, at, 1, CASE WHEN told THEN at END,
        CASE WHEN told THEN 1 + n / 10 END
    FROM made
"""
_DELIVERIES = """
    INSERT INTO deliveries (id, kind, state, system_id, integration_id, direction, subject, why,
        why_text, item_count, reported_at, created_at, finished_at, confirmed, attempt_count,
        retries_used, lost_leases, started)
    {numbers}
    SELECT n, 'failure', CASE WHEN {b} % 100 = 0 THEN 'dead' ELSE 'delivered' END, 1,
        1 + {a} % 10000, 'forward', 'Failures of Bench ' || n, 'pass', 'With the pass.', 1,
        :now - 3600000000 - (:size - n) * (5000000000000 / :size),
        :now - 3600000000 - (:size - n) * (5000000000000 / :size),
        :now - 3600000000 - (:size - n) * (5000000000000 / :size), false, 1, 0, 0, false
    FROM seq
"""
_ITEMS = """
    INSERT INTO delivery_items (delivery_id, failure_id)
    SELECT notified_delivery_id, id FROM failures WHERE notified_delivery_id IS NOT NULL
"""
_TEXTS = """
    INSERT INTO failure_texts (rowid, text)
    SELECT id, {kept}(message || coalesce({newline} || error_code, '') || {newline} || entity_id)
    FROM failures
"""
_INDEXES = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    " AND tbl_name IN ('failures', 'deliveries', 'delivery_items')",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN"
    " ('failures', 'deliveries', 'delivery_items', 'failure_texts')"
    " AND indexdef NOT LIKE 'CREATE UNIQUE%'",
}
_COUNTERS = ("failures", "deliveries", "integrations", "directions", "registrations", "systems")


def main(size: int) -> None:
    """Make all of it, let the search take notice of it, and print the pages."""
    app = create_app()
    prepare(app)
    site = installation(app)
    began = monotonic()
    make(site, size)
    made = monotonic()
    assert search_fill.fill(site) == 0, "the texts are not those that the product writes"
    job = failure_bulk.start(site, "bench", Action.RESOLVE, list(range(1, 41)))
    assert job is not None
    said = f"{size:,} made in {made - began:.0f} s, looked through in {monotonic() - made:.0f} s"
    print(said, file=sys.stderr)
    print(json.dumps({"made": said, "pages": pages(app, size, job)}))


def make(site: Installation, size: int) -> None:
    """Fill the tables by statements of the database, without their indexes meanwhile."""
    with site.store.writing() as connection:
        without_limits(connection)
        dialect = connection.dialect.name
        _add_integrations(connection)
        indexes = connection.execute(text(_INDEXES[dialect])).all()
        for name, _ in indexes:
            connection.execute(text(f'DROP INDEX "{name}"'))
        values = {"size": size, "now": to_micros(utc_now())}
        for statement, number in ((_FAILURES, size), (_DELIVERIES, size // 10 + 1), (_ITEMS, 0)):
            filled = statement.format(**_LIKE[dialect], **_DICE)
            given = {**values, "size": number} if number else {}
            connection.execute(text(filled), given)
        connection.execute(text(_TEXTS.format(**_LIKE[dialect])))
        for _, statement in indexes:
            connection.execute(text(statement))
        _count_on(connection)
    _settle(site)


def _add_integrations(connection: Connection) -> None:
    now, all_of_them = utc_now(), range(1, INTEGRATIONS + 1)
    times = {"created_at": now, "updated_at": now}
    system = {"id": 1, "name": "mail", "kind": "smtp", "version": "", "status": "active"}
    options = {**SERVER, "authenticationRequired": False, "senderEmail": "tocsin@example.com"}
    connection.execute(
        System.__table__.insert(), {**system, **times, "options": options, "secrets": {}}
    )
    each = [{"id": n, **_integration(n), **times} for n in all_of_them]
    connection.execute(Integration.__table__.insert(), each)
    each = [{**_direction(n, way), "activated_at": now} for n in all_of_them for way in range(2)]
    connection.execute(IntegrationDirection.__table__.insert(), each)
    # The second half is not registered.
    some = all_of_them[: INTEGRATIONS // 2]
    each = [{**_registration(n), **times, "registered_at": now} for n in some]
    connection.execute(Registration.__table__.insert(), each)
    each = [_told(n, way) for n in some for way in range(2)]
    connection.execute(RegistrationDirection.__table__.insert(), each)


def _integration(n: int) -> dict[str, Any]:
    names = {"key": f"bench-{n}", "name": f"Bench {n}", "system1": "CRM", "system2": "ERP"}
    return {**names, "bidirectional": True, "max_retry_count": 3}


def _direction(n: int, way: int) -> dict[str, Any]:
    counts = dict.fromkeys(("count", "occurrences", "episode"), 0)
    names = {"id": 2 * n - 1 + way, "integration_id": n, "direction": WAYS[way]}
    return {**names, **counts, "active": n > INACTIVE}


def _registration(n: int) -> dict[str, Any]:
    flags = {"include_error_trace": True, "same_for_backward": True, "tell_recovery": False}
    return {"id": n, "integration_id": n, "system_id": 1, "active": True, **flags}


def _told(n: int, way: int) -> dict[str, Any]:
    people = {"recipients": ["ops@example.com"], "cc": [], "subject_prefix": ""}
    flags = {"global_enabled": True, "immediately": False, "processing_enabled": True}
    more = {"no_activity_minutes": 525_600, "failure_count": 3, "before_max_retries": False}
    return {"registration_id": n, "direction": WAYS[way], **people, **flags, **more}


def _count_on(connection: Connection) -> None:
    """Let new rows get ids beyond those that were given here; SQLite does so by itself."""
    if connection.dialect.name != "sqlite":
        for name in _COUNTERS:
            sequence = f"pg_get_serial_sequence('{name}', 'id')"
            connection.execute(text(f"SELECT setval({sequence}, max(id)) FROM {name}"))  # noqa: S608 - ours


def _settle(site: Installation) -> None:
    """Do what the database does by itself in a quiet minute."""
    if site.store.sqlite:
        site.store.checkpoint()
        return
    with site.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
        one.exec_driver_sql("SET statement_timeout = 0")
        one.exec_driver_sql("VACUUM ANALYZE")


if __name__ == "__main__":
    main(int(sys.argv[1]))
