"""The spine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("integration_key", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "attempts",
        sa.Column("delivery_id", ID, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("process_id", ID, nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(24), nullable=True),
        sa.Column("reason", sa.String(24), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("transcript", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", "number"),
    )
    op.create_table(
        "audit",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=24), nullable=False),
        sa.Column("subject_kind", sa.String(length=24), nullable=False),
        sa.Column("subject_name", sa.String(length=255), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_subject", "audit", ["subject_kind", "subject_name", "id"], unique=False)

    op.create_table(
        "counted_cycles",
        sa.Column("direction_id", ID, autoincrement=False, nullable=False),
        sa.Column("cycle_id", sa.String(length=255), nullable=False),
        sa.Column("episode", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("direction_id", "cycle_id", "episode"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("reason", sa.String(24), nullable=True),
        sa.Column("system_id", ID, nullable=False),
        sa.Column("lane_id", ID, nullable=True),
        sa.Column("integration_id", ID, nullable=True),
        sa.Column("direction", sa.String(24), nullable=True),
        sa.Column("subject", sa.String(length=400), nullable=True),
        sa.Column("message_id", sa.String(length=255), nullable=True),
        sa.Column("why", sa.String(length=24), nullable=False),
        sa.Column("why_text", sa.Text(), nullable=False),
        sa.Column("episode_since", sa.BigInteger(), nullable=True),
        sa.Column("occurrences", sa.Integer(), nullable=True),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("retries_used", sa.Integer(), nullable=False),
        sa.Column("lost_leases", sa.Integer(), nullable=False),
        sa.Column("started", sa.Boolean(), nullable=False),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("parent_id", ID, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["lane_id", "due_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "deliveries_leased",
        "deliveries",
        ["lane_id"],
        unique=False,
        sqlite_where=sa.text("state = 'leased'"),
        postgresql_where=sa.text("state = 'leased'"),
    )
    op.create_index(
        "deliveries_open",
        "deliveries",
        ["integration_id", "system_id"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'leased', 'stored')"),
        postgresql_where=sa.text("state IN ('pending', 'leased', 'stored')"),
    )
    op.create_index(
        "deliveries_waiting",
        "deliveries",
        ["integration_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'pending' AND due_at IS NULL"),
        postgresql_where=sa.text("state = 'pending' AND due_at IS NULL"),
    )

    op.create_table(
        "delivery_items",
        sa.Column("delivery_id", ID, autoincrement=False, nullable=False),
        sa.Column("failure_id", ID, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "failure_id"),
    )
    op.create_index("delivery_items_failure", "delivery_items", ["failure_id"], unique=False)

    op.create_table(
        "delivery_recipients",
        sa.Column("delivery_id", ID, autoincrement=False, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=4), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "address"),
    )
    op.create_table(
        "dispatch_runs",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("cause", sa.String(24), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("considered", sa.Integer(), nullable=False),
        sa.Column("notified", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "dispatch_runs_open",
        "dispatch_runs",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )

    op.create_table(
        "failures",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("identity", sa.LargeBinary(length=32), nullable=False),
        sa.Column("error_type", sa.String(24), nullable=False),
        sa.Column("kind", sa.String(24), nullable=True),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("integration_id", ID, nullable=True),
        sa.Column("direction_id", ID, nullable=True),
        sa.Column("direction", sa.String(24), nullable=True),
        sa.Column("system_id", ID, nullable=True),
        sa.Column("reason", sa.String(length=24), nullable=True),
        sa.Column("error_code", sa.String(length=100), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.String(length=255), nullable=True),
        sa.Column("entity_id", sa.String(length=255), nullable=True),
        sa.Column("project", sa.String(length=255), nullable=True),
        sa.Column("accessible", sa.Boolean(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("retry_count", sa.Integer(), nullable=True),
        sa.Column("max_retry_count", sa.Integer(), nullable=True),
        sa.Column("total_retry_count", sa.Integer(), nullable=True),
        sa.Column("first_logged_at", sa.BigInteger(), nullable=False),
        sa.Column("last_logged_at", sa.BigInteger(), nullable=False),
        sa.Column("trace_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("told_episode", sa.Integer(), nullable=True),
        sa.Column("told_delivery_id", ID, nullable=True),
        sa.Column("notified_at", sa.BigInteger(), nullable=True),
        sa.Column("notified_delivery_id", ID, nullable=True),
        sa.Column("decision", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identity"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "failures_integration", "failures", ["integration_id", "last_logged_at", "id"], unique=False
    )
    op.create_index("failures_logged", "failures", ["last_logged_at", "id"], unique=False)
    op.create_index(
        "failures_open",
        "failures",
        ["direction_id", "kind", "entity_id"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )

    op.create_table(
        "idempotency",
        sa.Column("api_key_id", ID, autoincrement=False, nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("api_key_id", "client_id"),
    )
    op.create_index("idempotency_created", "idempotency", ["created_at"], unique=False)

    op.create_table(
        "integrations",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("system1", sa.String(length=255), nullable=False),
        sa.Column("system2", sa.String(length=255), nullable=False),
        sa.Column("bidirectional", sa.Boolean(), nullable=False),
        sa.Column("max_retry_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "processes",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.String(length=32), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "schedules",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("built_in", sa.Boolean(), nullable=False),
        sa.Column("every_n", sa.Integer(), nullable=True),
        sa.Column("every_unit", sa.String(length=10), nullable=True),
        sa.Column("cron", sa.String(length=200), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "systems",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("version", sa.String(length=50), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("fallback_id", ID, nullable=True),
        sa.Column("retry_policy", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fallback_id"],
            ["systems.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "traces",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "directions",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("integration_id", ID, nullable=False),
        sa.Column("direction", sa.String(24), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("activated_at", sa.BigInteger(), nullable=False),
        sa.Column("last_activity_at", sa.BigInteger(), nullable=True),
        sa.Column("last_failure_at", sa.BigInteger(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("occurrences", sa.Integer(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("episode_since", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integrations.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("integration_id", "direction"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lanes",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("system_id", ID, nullable=False),
        sa.Column("row", sa.String(length=24), nullable=True),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("held_id", ID, nullable=True),
        sa.Column("next_try_at", sa.BigInteger(), nullable=True),
        sa.Column("error_reason", sa.String(24), nullable=True),
        sa.Column("error_text", sa.Text(), nullable=True),
        sa.Column("error_at", sa.BigInteger(), nullable=True),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["system_id"],
            ["systems.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("system_id", "row", postgresql_nulls_not_distinct=True),
    )
    op.create_table(
        "registrations",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("integration_id", ID, nullable=False),
        sa.Column("system_id", ID, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("include_error_trace", sa.Boolean(), nullable=False),
        sa.Column("same_for_backward", sa.Boolean(), nullable=False),
        sa.Column("tell_recovery", sa.Boolean(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("unregistered_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integrations.id"],
        ),
        sa.ForeignKeyConstraint(
            ["system_id"],
            ["systems.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("integration_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_registrations_system_id", "registrations", ["system_id"], unique=False)

    op.create_table(
        "registration_directions",
        sa.Column("registration_id", ID, nullable=False),
        sa.Column("direction", sa.String(24), nullable=False),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.Column("cc", sa.JSON(), nullable=False),
        sa.Column("subject_prefix", sa.String(length=100), nullable=False),
        sa.Column("global_enabled", sa.Boolean(), nullable=False),
        sa.Column("no_activity_minutes", sa.Integer(), nullable=True),
        sa.Column("immediately", sa.Boolean(), nullable=False),
        sa.Column("failure_count", sa.Integer(), nullable=False),
        sa.Column("processing_enabled", sa.Boolean(), nullable=False),
        sa.Column("before_max_retries", sa.Boolean(), nullable=False),
        sa.Column("processing_recipients", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("processing_cc", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["registrations.id"],
        ),
        sa.PrimaryKeyConstraint("registration_id", "direction"),
    )


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first migration")
