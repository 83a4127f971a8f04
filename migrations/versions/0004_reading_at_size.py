"""Reading at size: an index behind each filter of the lists, and the texts that are searched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = ["last_logged_at", "id"]


def upgrade() -> None:
    for name in ("kind", "direction"):
        op.create_index(f"failures_{name}", "failures", [name, *_TIME])
    for name, column in (("code", "error_code"), ("entity", "entity_id")):
        _partial_index(f"failures_{name}", "failures", [column, *_TIME], f"{column} IS NOT NULL")
    _partial_index("failures_still", "failures", _TIME, "state = 'open'")
    _partial_index("failures_resolved", "failures", _TIME, "state = 'resolved'")
    _partial_index("failures_told", "failures", _TIME, "notified_at IS NOT NULL")
    _partial_index("failures_untold", "failures", _TIME, "notified_at IS NULL")
    op.create_index("deliveries_system", "deliveries", ["system_id", "id"])
    op.create_index("deliveries_integration", "deliveries", ["integration_id", "id"])
    op.create_index("deliveries_made", "deliveries", ["created_at"])
    _texts()


def _texts() -> None:
    """Make the table of texts; workers fill it, with what was there before as well."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE failure_texts USING fts5(text, tokenize='trigram')")
        return
    op.execute("CREATE TABLE failure_texts (rowid bigint PRIMARY KEY, text text NOT NULL)")
    # Where the extension is missing, or may not be made, the search reads all texts: slower, and
    # with the same answer.
    op.execute("""
        DO $$ BEGIN
          CREATE EXTENSION IF NOT EXISTS pg_trgm;
          CREATE INDEX failure_texts_trigrams ON failure_texts USING gin (text gin_trgm_ops);
        EXCEPTION WHEN OTHERS THEN
          RAISE NOTICE 'no trigram index: %', SQLERRM;
        END $$
    """)


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
