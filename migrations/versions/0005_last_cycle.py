"""The last cycle of a direction: since when it runs, and when it was over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("directions", sa.Column("cycle_id", sa.String(255)))
    op.add_column("directions", sa.Column("cycle_since", sa.BigInteger))
    op.add_column("directions", sa.Column("cycle_ended_at", sa.BigInteger))


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
