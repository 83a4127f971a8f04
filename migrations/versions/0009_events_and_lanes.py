"""Events, the routing matrix, and lanes with a retry policy.

The indexes of what tells failures hold only rows that have an integration: routed events are many,
and each index costs each of them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_OPEN = "state IN ('pending', 'leased', 'stored')"
_OURS = "integration_id IS NOT NULL"
# Name, columns, the rows that it holds: made anew.
_CHANGED: tuple[tuple[str, list[str], str], ...] = (
    ("deliveries_integration", ["integration_id", "id"], _OURS),
    ("deliveries_open", ["integration_id", "system_id"], f"{_OPEN} AND {_OURS}"),
    ("deliveries_cancelled", ["integration_id", "id"], f"state = 'cancelled' AND {_OURS}"),
)
_NEW: tuple[tuple[str, list[str], str], ...] = (
    ("deliveries_stored", ["lane_id", "due_at", "id"], "state = 'stored'"),
    ("deliveries_ordered", ["lane_id", "order_key", "id"], f"order_key IS NOT NULL AND {_OPEN}"),
    ("deliveries_event", ["event_id"], "event_id IS NOT NULL"),
)


def upgrade() -> None:
    _events()
    _lanes()
    _deliveries()
    op.add_column("failures", sa.Column("row", sa.String(24)))


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.String(24), nullable=False)
            for name in ("source", "severity", "status", "outcome")
        ),
        sa.Column("code", sa.String(100)),
        sa.Column("dedup_key", sa.String(255)),
        sa.Column("integration_id", _ID),
        sa.Column("direction", sa.String(24)),
        sa.Column("failure_id", _ID),
        sa.Column("revision_id", _ID),
        sa.Column("trace_hash", sa.LargeBinary(32)),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("decisions", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("events_source", "events", ["source", "severity", "id"])
    _index("events_key", "events", ["dedup_key", "id"], "dedup_key IS NOT NULL")
    _index("events_integration", "events", ["integration_id", "id"], _OURS)
    _index("events_trace", "events", ["trace_hash"], "trace_hash IS NOT NULL")
    op.create_table(
        "route_revisions",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )


def _lanes() -> None:
    op.add_column("lanes", sa.Column("policy", sa.String(24)))
    op.add_column("lanes", sa.Column("retry_number", sa.Integer))
    op.add_column("lanes", sa.Column("retry_delay", sa.Integer))
    op.add_column("lanes", sa.Column("own_policy", sa.JSON))
    op.add_column(
        "lanes", sa.Column("asked", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "lane_entries",
        sa.Column("lane_id", _ID, primary_key=True, autoincrement=False),
        sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("upto_id", _ID, nullable=False),
    )


def _deliveries() -> None:
    op.add_column("deliveries", sa.Column("event_id", _ID))
    op.add_column("deliveries", sa.Column("order_key", _ID))
    op.add_column("deliveries", sa.Column("fault", sa.String(24)))
    for name, columns, rows in _CHANGED:
        op.drop_index(name, "deliveries")
        _index(name, "deliveries", columns, rows)
    for name, columns, rows in _NEW:
        _index(name, "deliveries", columns, rows)
    op.create_table(
        "delivery_events",
        sa.Column("delivery_id", _ID, primary_key=True, autoincrement=False),
        sa.Column("event_id", _ID, primary_key=True, autoincrement=False),
    )
    op.create_index("delivery_events_event", "delivery_events", ["event_id"])


def _index(name: str, table: str, columns: list[str], rows: str) -> None:
    where = sa.text(rows)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
