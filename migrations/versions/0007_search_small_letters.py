"""The search of PostgreSQL keeps small letters: workers read all texts once more, beside the work.

Data only; SQLite's index ignores case by itself.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # Up to where all is searched; without it, from the first.
        op.execute("DELETE FROM settings WHERE name = '_searched'")


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
