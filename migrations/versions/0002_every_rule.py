"""Every rule of failure notification: silence, recovery, fallback, tests, jobs, hourly counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _columns()
    _partial_index(
        "deliveries_cancelled", "deliveries", ["integration_id", "id"], "state = 'cancelled'"
    )
    _partial_index("failures_trace", "failures", ["trace_hash"], "trace_hash IS NOT NULL")
    op.create_table(
        "jobs",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    _partial_index("jobs_open", "jobs", ["state"], "state IN ('queued', 'running')")
    op.create_table(
        "job_rows",
        sa.Column("job_id", ID, autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("outcome", sa.String(24), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "place"),
    )
    op.create_table(
        "hourly_counts",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=48), nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "name", "shard"),
    )


def _columns() -> None:
    """Add columns; all may be null, so that no row is rewritten."""
    for table, name, kind in (
        ("directions", "told_delivery_id", ID),
        ("directions", "silent_episode", sa.Integer()),
        ("directions", "decisions", sa.JSON(none_as_null=True)),
        ("deliveries", "recovered_at", sa.BigInteger()),
        ("deliveries", "silent_since", sa.BigInteger()),
        ("deliveries", "limit_minutes", sa.Integer()),
        ("deliveries", "about_system_id", ID),
        ("deliveries", "draft", sa.Text()),
        ("lanes", "fallback_delivery_id", ID),
    ):
        op.add_column(table, sa.Column(name, kind, nullable=True))
    # Episodes that are open now know which mail has told them, so that their end is told, too.
    op.execute("""
        UPDATE directions SET told_delivery_id = (
            SELECT max(told_delivery_id) FROM failures
            WHERE failures.direction_id = directions.id AND failures.kind = 'global'
              AND failures.state = 'open' AND failures.told_episode = directions.episode)
        WHERE episode_since IS NOT NULL
    """)


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
