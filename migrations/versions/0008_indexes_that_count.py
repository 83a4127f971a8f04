"""The indexes of the lists of failures hold the kind, so that a count reads them alone.

Others find the tests among the deliveries, and integrations by name.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIME = ["last_logged_at", "id", "kind"]
# Name, leading columns, the rows that it holds.
_INDEXES: tuple[tuple[str, list[str], str | None], ...] = (
    ("failures_integration", ["integration_id"], None),
    ("failures_direction", ["direction"], None),
    ("failures_code", ["error_code"], "error_code IS NOT NULL"),
    ("failures_still", [], "state = 'open'"),
    ("failures_resolved", [], "state = 'resolved'"),
    ("failures_told", [], "notified_at IS NOT NULL"),
    ("failures_untold", [], "notified_at IS NULL"),
)


def upgrade() -> None:
    for name, leading, where in _INDEXES:
        op.drop_index(name, "failures")
        rows = None if where is None else sa.text(where)
        columns = [*leading, *_TIME]
        op.create_index(name, "failures", columns, sqlite_where=rows, postgresql_where=rows)
    op.drop_index("failures_kind", "failures")
    op.create_index("failures_kind", "failures", ["kind", *_TIME[:2], "error_code"])
    op.create_index("integrations_name", "integrations", [sa.text("lower(name)"), "id"])
    tests = sa.text("kind = 'test'")
    op.create_index(
        "deliveries_tests", "deliveries", ["id"], sqlite_where=tests, postgresql_where=tests
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
