"""Runs the migrations on the connection that `app.services.setup` passes in."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from app import models  # noqa: F401 - the metadata must know all tables
from app.extensions import db


def run() -> None:
    """Migrate in the caller's transaction, so that a half-done migration leaves nothing behind."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        user_module_prefix="",
    )
    context.run_migrations()


run()
