"""What must be there before anything runs: the schema, built-in schedules, the first API key."""

from __future__ import annotations

import logging
from pathlib import Path

from flask import Flask
from sqlalchemy import Connection, func, inspect, select, text

from app.clock import utc_now
from app.domain.schedule import BUILT_IN
from app.errors import TocsinError
from app.models import ApiKey, Schedule
from app.secrets import Secret, hash_key, new_token
from app.services import first_admin
from app.services.installation import Installation, installation
from app.storage import without_limits

log = logging.getLogger(__name__)

HEAD = "0010"
SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"
# One migration at a time over all hosts of a PostgreSQL installation (an arbitrary constant).
ADVISORY_LOCK = 726_353


class NewerDatabase(TocsinError):
    """The database was made by a newer version of Tocsin."""


def prepare(app: Flask) -> None:
    """Bring the database up to date; harmless when run twice or by two at once.

    Raises StorageUnavailable, NewerDatabase. Prints the first API key once, when it is made.
    """
    site = installation(app)
    with site.store.writing() as connection:
        if not site.store.sqlite:
            without_limits(connection)
            connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
        _migrate(connection)
        _add_built_in_schedules(connection)
        made = _first_key(connection, site)
        link = first_admin.at_start(connection, site.settings)
    if link:
        print(f"\n  Make the first admin (works once): {link}\n", flush=True)
    if made:
        print(f"\n  API key (admin, shown only now): {made}\n", flush=True)


def _migrate(connection: Connection) -> None:
    """Run what is missing; asks the database first, as importing Alembic takes a while."""
    current = _revision(connection)
    if current == HEAD:
        return
    if current is not None and current > HEAD:
        raise NewerDatabase(
            f"The database is at version {current}, newer than this Tocsin ({HEAD}). "
            "Install the newer Tocsin again."
        )
    from alembic import command  # noqa: PLC0415 - 0.2 s that a second start need not pay
    from alembic.config import Config  # noqa: PLC0415

    settings = Config()
    settings.set_main_option("script_location", str(SCRIPTS))
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
    log.info("database migrated from %s to %s", current or "nothing", HEAD)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _add_built_in_schedules(connection: Connection) -> None:
    there = set(connection.scalars(select(Schedule.name)))
    now = utc_now()
    for name, schedule in BUILT_IN.items():
        if name not in there:
            connection.execute(
                Schedule.__table__.insert().values(
                    name=name,
                    built_in=True,
                    every_n=schedule.every_n,
                    every_unit=schedule.every_unit,
                    created_at=now,
                    updated_at=now,
                )
            )


def _first_key(connection: Connection, site: Installation) -> str | None:
    """Add the key of TOCSIN_API_KEY, or make the first one; return it if it was made here."""
    given = site.settings.api_key
    if given is not None:
        _add_key(connection, given, "TOCSIN_API_KEY")
        return None
    if connection.scalar(select(func.count()).select_from(ApiKey)):
        return None
    made = Secret(f"tck_{new_token()}")
    _add_key(connection, made, "First key")
    return made.reveal()


def _add_key(connection: Connection, key: Secret, name: str) -> None:
    hashed = hash_key(key.reveal())
    if connection.scalar(select(ApiKey.id).where(ApiKey.hash == hashed)):
        return
    connection.execute(
        ApiKey.__table__.insert().values(
            name=name, hash=hashed, scopes=["admin"], created_at=utc_now()
        )
    )
